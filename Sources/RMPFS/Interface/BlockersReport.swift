// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/blockers: why a region is not optimized, which no posted version answers.

import RMPModel

/// The lines of `blockers`: each region that is not optimized on every online CPU, with the reasons.
enum BlockersReport {
    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        // Without SNP there are no checks, so nothing is slow.
        guard machine.isSNPEnabled else { return }
        let map = machine.optimizationMap
        var reasons = Reasons(machine, map)
        var names = Names()
        for region in map.regions {
            guard let set = map.set(ofRegion: region), !reasons.missing[set].isEmpty else { continue }
            var line = Line(region: region)
            for blocker in machine.blockers(ofRegion: region) {
                line.add(names.name(of: blocker.owner, machine), &text)
                text.append(0x20)
                text.append(decimal: UInt64(blocker.pages))
                text.append(" pages")
            }
            let uncovered = machine.uncoveredPages(ofRegion: region)
            if uncovered > 0 {
                line.add("not covered ", &text)
                text.append(decimal: UInt64(uncovered))
                text.append(" pages")
            }
            let reason = reasons.reason(region, set)
            if reason.isUnscanned && uncovered == 0 && machine.assignedPages(ofRegion: region) == 0 {
                line.add("not scanned", &text)
            }
            if !reason.outside.isEmpty { line.add("outside the window of CPU(s) ", reason.outside, &text) }
            if !reason.disabled.isEmpty { line.add("RMPOPT not enabled on CPU(s) ", reason.disabled, &text) }
            line.end(&text)
        }
    }

    /// The same for a host of which we only know what is optimized where.
    /// - Parameter isOutside: whether a region is known to lie beyond the window of every core.
    static func write(_ map: OptimizationMap, isOutside: (_ region: Int) -> Bool, into text: inout TextBuffer) {
        let missing = map.sets.map { CPUList.format(map.online.subtracting($0)) }
        for region in map.regions {
            guard let set = map.set(ofRegion: region), !missing[set].isEmpty else { continue }
            var line = Line(region: region)
            let reason: StaticString =
                isOutside(region) ? "outside the window of CPU(s) " : "reason unknown, not optimized on CPU(s) "
            line.add(reason, missing[set], &text)
            line.end(&text)
        }
    }

    /// Why some CPUs do not have a region optimized although it holds no assigned page.
    struct Reason {
        /// Whether some CPUs could have it optimized.
        let isUnscanned: Bool
        /// The CPUs outside whose window it is, as text.
        let outside: [UInt8]
        /// The CPUs without RMPOPT_EN, as text.
        let disabled: [UInt8]
    }

    /// The reasons of regions in ascending order: they change only where the set of CPUs that lack the optimization
    /// changes, or a window begins or ends.
    struct Reasons {
        /// For each set of a map, the online CPUs that are not in it.
        let missing: [CPUSet]
        private let windows: [(regions: Range<Int>, cpus: CPUSet)]
        private let disabled: CPUSet
        private var end = Int.min
        private var outside: CPUSet
        private var last: (set: Int, reason: Reason)?

        init(_ machine: borrowing Machine, _ map: OptimizationMap) {
            missing = map.sets.map { map.online.subtracting($0) }
            windows = machine.windows
            var disabled = CPUSet(limit: machine.cpuCount)
            for cpu in 0..<machine.cpuCount where machine.rmpoptBase(ofCPU: cpu)?.isEnabled != true {
                disabled.insert(cpu)
            }
            self.disabled = disabled
            outside = CPUSet(limit: machine.cpuCount)
        }

        /// - Parameter set: the index of the region's CPUs in the map.
        mutating func reason(_ region: Int, _ set: Int) -> Reason {
            if region >= end { cross(region) }
            if let last, last.set == set { return last.reason }
            let outside = missing[set].intersection(outside)
            let disabled = missing[set].intersection(disabled)
            let reason = Reason(
                isUnscanned: !missing[set].subtracting(outside).subtracting(disabled).isEmpty,
                outside: CPUList.format(outside),
                disabled: CPUList.format(disabled)
            )
            last = (set, reason)
            return reason
        }

        private mutating func cross(_ region: Int) {
            end = .max
            last = nil
            outside.removeAll()
            for window in windows {
                for border in [window.regions.lowerBound, window.regions.upperBound] where border > region {
                    end = min(end, border)
                }
                if !window.regions.contains(region) { outside = outside.union(window.cpus) }
            }
        }
    }

    /// Owners as text; the last one is kept, since regions side by side mostly have the same.
    private struct Names {
        private var last: (owner: Blocker.Owner, name: [UInt8])?

        mutating func name(of owner: Blocker.Owner, _ machine: borrowing Machine) -> [UInt8] {
            if let last, last.owner == owner { return last.name }
            var text = TextBuffer()
            switch owner {
            case .rmpTable: text.append("RMP table")
            case .firmware: text.append("firmware")
            case .leaked: text.append("leaked")
            case .guest(let asid, let id):
                text.append("guest ")
                if let id, let guest = machine.guest(id) {
                    text.append(escaped: guest.name.bytes)
                } else {
                    text.append("?")
                }
                text.append(" (asid ")
                text.append(decimal: UInt64(asid))
                text.append(")")
            }
            let name = Array(text.bytes)
            last = (owner, name)
            return name
        }
    }

    /// A line that begins with its first reason.
    private struct Line {
        let region: Int
        private var isBegun = false

        init(region: Int) { self.region = region }

        private mutating func separate(_ text: inout TextBuffer) {
            if isBegun {
                text.append(", ")
            } else {
                text.append(region: region)
            }
            isBegun = true
        }

        mutating func add(_ reason: StaticString, _ text: inout TextBuffer) {
            separate(&text)
            text.append(reason)
        }

        mutating func add(_ reason: [UInt8], _ text: inout TextBuffer) {
            separate(&text)
            text.append(reason)
        }

        mutating func add(_ reason: StaticString, _ list: [UInt8], _ text: inout TextBuffer) {
            add(reason, &text)
            text.append(list)
        }

        func end(_ text: inout TextBuffer) { if isBegun { text.append(0x0A) } }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/blockers: why a region is not optimized, the question that no posted version answers.

import RMPModel

/// The lines of `blockers`: each region that is not optimized on every online CPU, with the reasons.
enum BlockersReport {
    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        // Without SNP nothing is checked, so nothing is slow.
        guard machine.isSNPEnabled else { return }
        let windows = machine.windows.map { ($0.regions, $0.cpus.intersection(machine.onlineCPUs)) }
        var disabled = CPUSet(limit: machine.cpuCount)
        machine.onlineCPUs.forEachRun { run in
            for cpu in run where machine.rmpoptBase(ofCPU: cpu)?.isEnabled != true { disabled.insert(cpu) }
        }
        let notEnabled = CPUList.format(disabled)
        var outside = OutsideCPUs(windows: windows)
        for region in machine.configuredRegions {
            var line = Line(region: region)
            for blocker in machine.blockers(ofRegion: region) { line.add(blocker, machine, &text) }
            if machine.optimizedCoreCount(ofRegion: region) < machine.coreCount {
                // The CPUs are asked one by one only where nothing else tells.
                let isMissing =
                    machine.assignedPages(ofRegion: region) == 0
                    && windows.contains { window in
                        window.0.contains(region) && !machine.isOptimized(region: region, onAll: window.1)
                    }
                if isMissing { line.add("not scanned", &text) }
                let list = outside.list(region)
                if !list.isEmpty { line.add("outside the window of CPU(s) ", list, &text) }
                if !notEnabled.isEmpty { line.add("RMPOPT not enabled on CPU(s) ", notEnabled, &text) }
            }
            line.end(&text)
        }
    }

    /// The CPUs outside whose window a region is, as text, for regions in ascending order: it is the same up to where a
    /// window begins or ends.
    private struct OutsideCPUs {
        let windows: [(Range<Int>, CPUSet)]
        private var end = Int.min
        private var text: [UInt8] = []

        init(windows: [(Range<Int>, CPUSet)]) { self.windows = windows }

        mutating func list(_ region: Int) -> [UInt8] {
            if region < end { return text }
            end = .max
            var cpus: CPUSet?
            for (regions, others) in windows {
                for border in [regions.lowerBound, regions.upperBound] where border > region { end = min(end, border) }
                if !regions.contains(region) { cpus = cpus?.union(others) ?? others }
            }
            text = cpus.map { CPUList.format($0) } ?? []
            return text
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

        mutating func add(_ reason: StaticString, _ list: [UInt8], _ text: inout TextBuffer) {
            add(reason, &text)
            text.append(list)
        }

        mutating func add(_ blocker: Blocker, _ machine: borrowing Machine, _ text: inout TextBuffer) {
            separate(&text)
            switch blocker.owner {
            case .rmpTable: text.append("RMP table")
            case .firmware: text.append("firmware")
            case .leaked: text.append("leaked")
            case .guest(let asid, let id):
                text.append("guest ")
                if let id, let guest = machine.guest(id) {
                    text.append(escaped: guest.name)
                } else {
                    text.append("?")
                }
                text.append(" (asid ")
                text.append(decimal: UInt64(asid))
                text.append(")")
            }
            text.append(0x20)
            text.append(decimal: UInt64(blocker.pages))
            text.append(" pages")
        }

        func end(_ text: inout TextBuffer) { if isBegun { text.append(0x0A) } }
    }
}

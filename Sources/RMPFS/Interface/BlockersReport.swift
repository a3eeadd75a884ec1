// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/blockers: why a region is not optimized, the question that no posted version answers.

import RMPModel

/// The lines of `blockers`: each region that is not optimized on every online CPU, with the reasons.
enum BlockersReport {
    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        // Without SNP nothing is checked, so nothing is slow.
        guard machine.isSNPEnabled else { return }
        let windows = machine.windows
        var disabled = CPUSet(limit: machine.cpuCount)
        machine.onlineCPUs.forEachRun { run in
            for cpu in run where machine.rmpoptBase(ofCPU: cpu)?.isEnabled != true { disabled.insert(cpu) }
        }
        for region in machine.configuredRegions {
            var line = Line(region: region)
            for blocker in machine.blockers(ofRegion: region) { line.add(blocker, machine, &text) }
            if machine.optimizedCoreCount(ofRegion: region) < machine.coreCount {
                addWindows(region, windows, disabled, machine, &line, &text)
            }
            line.end(&text)
        }
    }

    /// The reasons that have nothing to do with pages.
    private static func addWindows(
        _ region: Int,
        _ windows: [(regions: Range<Int>, cpus: CPUSet)],
        _ disabled: CPUSet,
        _ machine: borrowing Machine,
        _ line: inout Line,
        _ text: inout TextBuffer
    ) {
        var outside = CPUSet(limit: machine.cpuCount)
        var isMissing = false
        for window in windows {
            let online = window.cpus.intersection(machine.onlineCPUs)
            if window.regions.contains(region) {
                isMissing = isMissing || !machine.isOptimized(region: region, onAll: online)
            } else {
                online.forEachRun { run in for cpu in run { outside.insert(cpu) } }
            }
        }
        if isMissing && machine.assignedPages(ofRegion: region) == 0 { line.add("not scanned", &text) }
        if !outside.isEmpty { line.add("outside the window of CPU(s) ", outside, &text) }
        if !disabled.isEmpty { line.add("RMPOPT not enabled on CPU(s) ", disabled, &text) }
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

        mutating func add(_ reason: StaticString, _ cpus: CPUSet, _ text: inout TextBuffer) {
            add(reason, &text)
            text.append(CPUList.format(cpus))
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

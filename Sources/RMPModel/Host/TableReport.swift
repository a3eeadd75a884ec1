// SPDX-License-Identifier: Apache-2.0
// What a reader of the kernel's rmpopt-table gets for a line: an answer of every online CPU, with the races of versions
// whose passes write into the mask that is printed.

extension Machine {
    /// What a reader sets going that prints lines: RMPOPT with function 1 on every online CPU, for each line. CPUs
    /// whose core has RMPOPT_EN 0 take a #UD; they are counted once for each call of this, not for each line, so that
    /// the log stays readable.
    public mutating func noteReport() {
        guard driver.hasTable, !platform.rmpopt.areAllEnabled else { return }
        var faulting = 0
        topology.online.forEachRun { run in
            for cpu in run where !platform.canExecuteRMPOPT(cpu: cpu, core: topology.coreOfCPU[cpu]) { faulting += 1 }
        }
        platform.events.noteFaults(faulting)
    }

    /// Whether a line that is printed now can mix two results: a pass is running, and it writes into the same mask.
    public var reportsAreShared: Bool {
        driver.running != nil && configuration.series.table?.sharesMask == true
    }

    /// Whether the line of a region that is printed now does. A choice: of the lines that are read during a pass, one
    /// in eight, which is fixed by the region and how far the pass is.
    private func isMixed(_ region: Int) -> Bool {
        guard reportsAreShared, let pass = driver.running else { return false }
        let place = UInt64(truncatingIfNeeded: region) << 32 ^ UInt64(truncatingIfNeeded: pass.region)
        return ((place ^ pass.record.number << 20) &* 0x9e37_79b9_7f4a_7c15) >> 61 == 0
    }

    /// Puts into `cpus` what the kernel prints for a region: the online CPUs on which it is optimized; in a line that
    /// mixes two results, for the CPUs that take part in the pass what RMPOPT answered for the region at work there.
    ///
    /// Source: series v1 patch 6/6: `__rmpopt()` sets and clears the CPU's bit in one global mask, whoever
    /// called it.
    public func collectReportedCPUs(ofRegion region: Int, into cpus: inout CPUSet) {
        collectOptimizedCPUs(ofRegion: region, into: &cpus)
        guard isMixed(region), let pass = driver.running else { return }
        let answer = platform.rmp.assignedPages[pass.region] == 0
        let cores = pass.coresAtWork
        pass.cpusAtWork.forEachRun { run in
            for cpu in run where topology.online.contains(cpu) {
                let core = topology.coreOfCPU[cpu]
                guard cores[core >> 6] >> UInt64(core & 63) & 1 != 0 else { continue }
                if answer && platform.rmpopt.isInWindow(region: pass.region, core: core) {
                    cpus.insert(cpu)
                } else {
                    cpus.remove(cpu)
                }
            }
        }
    }
}

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

    /// What lines that are printed now can mix in; nil while they cannot.
    public var sharedMask: SharedMask? {
        guard reportsAreShared, let pass = driver.running else { return nil }
        let cores = pass.coresAtWork
        // Those of the CPUs at work that execute RMPOPT.
        var zeros = CPUSet(limit: cpuCount)
        var ones = zeros
        collectCPUs(ofCores: cores.span, into: &zeros)
        zeros.formIntersection(pass.cpusAtWork)
        zeros.formIntersection(topology.online)
        if platform.rmp.assignedPages[pass.region] == 0 {
            let inside = platform.rmpopt.windows.reduce(into: [UInt64](repeating: 0, count: wordsPerRow)) {
                guard $1.regions.contains(pass.region) else { return }
                for word in $0.indices { $0[word] |= $1.cores[word] & cores[word] }
            }
            collectCPUs(ofCores: inside.span, into: &ones)
            ones.formIntersection(zeros)
        }
        return SharedMask(region: pass.region, pass: pass.record.number, answers: (ones, zeros.subtracting(ones)))
    }

    /// Puts into `cpus` what the kernel prints for a region: the online CPUs on which it is optimized; in a line that
    /// mixes two results, for the CPUs that take part in the pass what RMPOPT answered for the region at work there.
    /// - Parameter mask: ``sharedMask`` as it is now, the same for all lines that are printed at one moment.
    public func collectReportedCPUs(ofRegion region: Int, _ mask: SharedMask?, into cpus: inout CPUSet) {
        collectOptimizedCPUs(ofRegion: region, into: &cpus)
        if let mask, mask.isMixedInto(region) { mask.mix(into: &cpus) }
    }
}

/// The one mask of the versions whose readers and passes write into the same, while a pass is running.
///
/// Source: series v1 patch 6/6: `__rmpopt()` sets and clears the CPU's bit in one global mask, whoever called it.
public struct SharedMask: Sendable {
    /// The region at work.
    private let region: Int
    /// The number of the pass.
    private let pass: UInt64
    /// The CPUs at work whose answer for the region at work is 1, and those whose answer is 0.
    private let answers: (ones: CPUSet, zeros: CPUSet)

    init(region: Int, pass: UInt64, answers: (ones: CPUSet, zeros: CPUSet)) {
        self.region = region
        self.pass = pass
        self.answers = answers
    }

    /// Whether the line of a region mixes two results. A choice: of the lines that are read during a pass, one in
    /// eight, which is fixed by the region and how far the pass is.
    public func isMixedInto(_ line: Int) -> Bool {
        let place = UInt64(truncatingIfNeeded: line) << 32 ^ UInt64(truncatingIfNeeded: region)
        return ((place ^ pass << 20) &* 0x9e37_79b9_7f4a_7c15) >> 61 == 0
    }

    func mix(into cpus: inout CPUSet) {
        cpus.formUnion(answers.ones)
        cpus.subtract(answers.zeros)
    }
}

// SPDX-License-Identifier: Apache-2.0
// What a reader of the kernel's rmpopt-table gets for a line: an answer of every online CPU, including the races in
// versions whose passes write into the mask that is printed.

extension Machine {
    /// What a reader triggers by printing lines: RMPOPT with function 1 on every online CPU, for each line. CPUs whose
    /// core has RMPOPT_EN 0 take a #UD; they are counted once for each call of this function, not for each line, so
    /// that the log stays readable.
    public mutating func noteReport() {
        guard driver.hasDebugfsTable, !platform.rmpopt.areAllEnabled else { return }
        var faulting = 0
        topology.online.forEachRun { run in
            for cpu in run where !platform.canExecuteRMPOPT(cpu: cpu, core: topology.coreOfCPU[cpu]) { faulting += 1 }
        }
        platform.events.noteFaults(faulting)
    }

    /// Whether a line printed now can mix two results: a pass is running, and it writes into the same mask.
    public var reportsAreShared: Bool {
        driver.running != nil && configuration.series.debugfsTable?.sharesMask == true
    }

    /// What lines printed now can mix in; nil if they cannot.
    public var sharedMask: SharedMask? {
        guard reportsAreShared, let pass = driver.running else { return nil }
        let cores = pass.coresAtWork
        // Of the CPUs whose turn it is, those that execute RMPOPT.
        var zeros = CPUSet(limit: cpuCount)
        var ones = zeros
        collectCPUs(ofCores: cores.words.span, into: &zeros)
        zeros.formIntersection(pass.cpusAtWork)
        zeros.formIntersection(topology.online)
        if !platform.rmp.hasAssigned(pass.region) {
            let inside = platform.rmpopt.windows.reduce(into: CoreSet(limit: coreCount)) {
                if $1.regions.contains(pass.region) { $0.formUnion($1.cores.intersection(cores)) }
            }
            collectCPUs(ofCores: inside.words.span, into: &ones)
            ones.formIntersection(zeros)
        }
        return SharedMask(region: pass.region, pass: pass.record.number, answers: (ones, zeros.subtracting(ones)))
    }

    /// Sets `cpus` to what the kernel prints for a region: the online CPUs on which it is optimized. In a line that
    /// mixes two results, the CPUs that take part in the pass have instead what RMPOPT answered there for the current
    /// region.
    /// - Parameter mask: the current ``sharedMask``, the same for all lines that are printed at one moment.
    public func collectReportedCPUs(ofRegion region: Int, _ mask: SharedMask?, into cpus: inout CPUSet) {
        collectOptimizedCPUs(ofRegion: region, into: &cpus)
        if let mask, mask.isMixedInto(region) { mask.mix(into: &cpus) }
    }
}

/// The shared mask, during a pass, of the versions whose readers and passes write into the same one.
///
/// Source: series v1 patch 6/6: `__rmpopt()` sets and clears the CPU's bit in one global mask, whoever called it.
public struct SharedMask: Sendable {
    /// The region that the pass is working on.
    private let region: Int
    /// The number of the pass.
    private let pass: UInt64
    /// The CPUs whose turn it is and whose answer for that region is 1, and those whose answer is 0.
    private let answers: (ones: CPUSet, zeros: CPUSet)

    init(region: Int, pass: UInt64, answers: (ones: CPUSet, zeros: CPUSet)) {
        self.region = region
        self.pass = pass
        self.answers = answers
    }

    /// Whether the line of a region mixes two results. A choice: one in eight of the lines that are read during a pass,
    /// determined by the region and the progress of the pass.
    public func isMixedInto(_ line: Int) -> Bool {
        let place = UInt64(truncatingIfNeeded: line) << 32 ^ UInt64(truncatingIfNeeded: region)
        return ((place ^ pass << 20) &* 0x9e37_79b9_7f4a_7c15) >> 61 == 0
    }

    func mix(into cpus: inout CPUSet) {
        cpus.formUnion(answers.ones)
        cpus.subtract(answers.zeros)
    }
}

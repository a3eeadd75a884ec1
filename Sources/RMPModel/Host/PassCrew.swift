// SPDX-License-Identifier: Apache-2.0
// Who executes RMPOPT in a pass: which CPU leads, which ones follow, and which of them take a #UD.

/// The CPUs of a pass.
struct PassCrew: Sendable {
    /// The CPU that runs the pass.
    let sender: Int
    /// The CPU that walks over the range first; nil if none does.
    let leader: Int?
    /// Whether a CPU other than the sender leads, by a call for each region that keeps interrupts off there.
    let isLeaderCalled: Bool
    /// The CPUs that receive the broadcasts.
    let others: CPUSet
    /// The cores of leader and others on which RMPOPT is enabled.
    let leaderCores: CoreSet
    let otherCores: CoreSet
    /// How many of `others` execute RMPOPT; the rest take a #UD.
    let executors: Int
    /// How many CPUs take a #UD.
    let faulting: Int
    /// The number of CPUs that a broadcast interrupts: `others` without the sender.
    let interrupted: Int
    /// Whether several threads of a core execute RMPOPT at once: in v2 all do where SMT is on, in v1 those of a core
    /// whose first online thread has changed.
    let isCrowded: Bool

    /// - Parameters:
    ///   - series: the version.
    ///   - mask: the CPUs that take part, out of the online ones.
    ///   - preferred: the CPU on which work runs while it is online.
    init(
        _ series: Series,
        mask: CPUSet,
        workerCPU preferred: Int,
        _ platform: borrowing Platform,
        _ topology: Topology
    ) {
        let sender = topology.online.contains(preferred) ? preferred : topology.online.next(from: 0) ?? 0
        let siblings = topology.threads(ofCore: topology.coreOfCPU[sender])
        var others = mask
        var leader: Int? = sender
        var isLeaderCalled = false
        switch series.leader {
        case .none: leader = nil
        case .anyCPU: others.remove(sender)
        case .checked(let byCall):
            if !siblings.contains(where: mask.contains) {
                leader = mask.next(from: 0)
                isLeaderCalled = byCall
                if let leader { others.remove(leader) }
            } else {
                for cpu in mask.contains(sender) ? [sender] : siblings { others.remove(cpu) }
            }
        case .anyCPUWithoutSiblings: for cpu in siblings { others.remove(cpu) }
        case .anyCPUAgain: break
        }
        self.sender = sender
        self.leader = leader
        self.isLeaderCalled = isLeaderCalled
        self.others = others
        var leaderCores = CoreSet(limit: topology.coreCount)
        var otherCores = leaderCores
        var executors = 0
        var faulting = 0
        if let leader {
            let core = topology.coreOfCPU[leader]
            if platform.canExecuteRMPOPT(cpu: leader, core: core) {
                leaderCores.insert(core)
            } else {
                faulting += 1
            }
        }
        others.forEachRun { run in
            for cpu in run {
                let core = topology.coreOfCPU[cpu]
                if platform.canExecuteRMPOPT(cpu: cpu, core: core) {
                    otherCores.insert(core)
                    executors += 1
                } else if cpu != leader {
                    faulting += 1
                }
            }
        }
        self.leaderCores = leaderCores
        self.otherCores = otherCores
        self.executors = executors
        self.faulting = faulting
        isCrowded = executors > otherCores.count
        interrupted = others.count - (others.contains(sender) ? 1 : 0)
    }
}

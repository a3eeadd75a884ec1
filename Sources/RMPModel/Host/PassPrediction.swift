// SPDX-License-Identifier: Apache-2.0
// What the cost model says of passes that nobody has measured: the question that was asked on the list in March, how
// much a pass disturbs everybody else.

/// A pass of a version on a machine with 2 TB and 384 CPUs (192 cores), by the cost model.
public struct PassPrediction: Sendable {
    /// What the machine is in.
    public enum State: Sendable, Hashable, CaseIterable {
        /// Every region can be optimized but those of the RMP and of firmware, and none is yet.
        case nothingOptimized
        /// The first 4 KB page of every region is assigned: each RMPOPT ends at once.
        case firstPageOfEachRegion
    }

    /// The version.
    public let series: Series
    /// The state.
    public let state: State
    /// What each core of the merged order needs for a region whose scan is cached, in ns; elsewhere without effect.
    public let independentFollower: UInt64

    /// The memory, in GB, and the CPUs.
    public static let gigabytes: UInt64 = 2_048
    /// The CPUs, two threads a core.
    public static let cpus = 384

    /// The versions side by side: v10, and merged with other cores that get into each other's way or do not.
    public static let all: [PassPrediction] = State.allCases.flatMap { state in
        [
            PassPrediction(series: .v10, state: state, independentFollower: CostModel.standard.independentFollower),
            PassPrediction(series: .merged, state: state, independentFollower: CostModel.standard.independentFollower),
            PassPrediction(series: .merged, state: state, independentFollower: 2_800),
        ]
    }

    /// The pass, from its beginning to its end.
    ///
    /// - Throws: `ConfigurationError`, `CommandError` if the machine refuses, which it does not.
    public func pass() throws -> PassRecord? {
        var configuration = try MachineConfiguration(
            cpus: PassPrediction.cpus,
            memoryBytes: PassPrediction.gigabytes << 30,
            series: series
        )
        configuration.costs.independentFollower = independentFollower
        var machine = Machine(configuration)
        if state == .firstPageOfEachRegion { try machine.assignFirstPages() }
        // The tables are cleared, and the pass after that is the one.
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        try machine.perform(.kexec(), at: machine.now)
        try machine.perform(.initializeFirmware, at: machine.now)
        if state == .firstPageOfEachRegion { try machine.assignFirstPages() }
        machine.runToIdle()
        return machine.passes.last
    }
}

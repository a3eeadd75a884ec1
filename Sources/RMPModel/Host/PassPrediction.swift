// SPDX-License-Identifier: Apache-2.0
// What the cost model says of passes that nobody has measured. It answers the question asked on the list in March: how
// much a pass disturbs everyone else.

/// A pass of a version on a machine with 2 TB and 384 CPUs (192 cores), by the cost model.
public struct PassPrediction: Sendable {
    /// The state of the machine.
    public enum State: Sendable, Hashable, CaseIterable {
        /// Every region except those of the RMP and of firmware can be optimized, and none is yet.
        case nothingOptimized
        /// The first 4 KB page of every region is assigned: each RMPOPT ends at once.
        case firstPageOfEachRegion
    }

    /// The version.
    public let series: Series
    /// The state.
    public let state: State
    /// What each core in the merged order takes for a region whose scan is cached, in ns; no effect in other orders.
    public let independentFollower: UInt64

    /// The memory, in GB.
    public static let gigabytes: UInt64 = 2_048
    /// The number of CPUs, two threads a core.
    public static let cpus = 384

    /// The versions side by side: v10, and merged with other cores that slow each other down or do not.
    public static let all: [PassPrediction] = State.allCases.flatMap { state in
        [
            PassPrediction(series: .v10, state: state, independentFollower: CostModel.standard.independentFollower),
            PassPrediction(series: .merged, state: state, independentFollower: CostModel.standard.independentFollower),
            PassPrediction(series: .merged, state: state, independentFollower: 2_800),
        ]
    }

    /// The pass, from beginning to end.
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
        // This clears the tables; the next pass is the one to measure.
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        try machine.perform(.kexec(), at: machine.now)
        try machine.perform(.initializeFirmware, at: machine.now)
        if state == .firstPageOfEachRegion { try machine.assignFirstPages() }
        machine.runToIdle()
        return machine.passes.last
    }
}

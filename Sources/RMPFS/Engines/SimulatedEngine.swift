// SPDX-License-Identifier: Apache-2.0
// The simulated machine as an engine: one lock, one clock, and the machine brought up to date by whoever looks.

public import RMPModel

/// Answers for a simulated machine.
public final class SimulatedEngine: Engine {
    private struct State: Sendable {
        var machine: Machine
        var clock: HostClock
        var texts = MachineTexts()
    }

    private let state: Lock<State>
    private let memory = HostMemory()
    private let pace: Pace
    /// The machine as it was ordered.
    let configuration: MachineConfiguration
    /// The number of CPUs.
    public let cpuCount: Int
    /// The version of the series that the machine runs.
    public let series: Series
    /// Whether processor, SNP and the RMP's form allow RMPOPT.
    public let hasRMPOPT: Bool
    /// Whether the driver has registered `action` and `description`.
    public let hasConfigfs: Bool
    /// All of them.
    public let reports = Report.allCases

    /// Boots the machine; its clock starts at the end of the boot pass.
    public init(_ configuration: MachineConfiguration, pace: Pace = .factor(1)) {
        let machine = Machine(configuration)
        self.configuration = configuration
        cpuCount = machine.cpuCount
        series = configuration.series
        hasRMPOPT = machine.isRMPOPTPossible
        hasConfigfs = machine.hasConfigfs
        self.pace = pace
        let clock = HostClock(pace: pace, startingAt: machine.now)
        state = Lock(State(machine: machine, clock: clock))
    }

    /// How far due work may lie back, in ns of virtual time, before bringing the machine up to date may take long.
    private static let backlog: UInt64 = 10_000_000

    /// Brings the machine up to date. When nobody has looked for long, much is due.
    private static func advance(_ state: inout State) {
        let now = state.clock.now
        if let due = state.machine.nextDue, due < now, now - due > backlog { LongWork.announce() }
        state.machine.advance(to: now)
    }

    /// Runs `body` with the state to itself and up to date.
    private func withCurrentState<Result: Sendable>(
        _ body: (inout State) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        defer { memory.giveBack() }
        return try state.withPatientLock { state throws(Errno) in
            Self.advance(&state)
            memory.note(state.machine.storedBytes)
            return try body(&state)
        }
    }

    /// Looks at the machine as it is now.
    func look<Result: Sendable>(_ body: (borrowing Machine) throws(Errno) -> Result) throws(Errno) -> Result {
        try withCurrentState { state throws(Errno) in try body(state.machine) }
    }

    /// Has the machine do something now.
    @discardableResult
    func perform(_ command: Command) throws(Errno) -> CommandResult {
        switch try execute(command) {
        case .success(let result): return result
        case .failure(let refusal): throw Errno(refusal)
        }
    }

    /// Has the machine execute an RMP instruction.
    /// - Returns: its return code, whatever it is; other refusals are thrown.
    func code(of command: Command) throws(Errno) -> RMPCode {
        switch try execute(command) {
        case .success: return .success
        case .failure(.rmp(let code)): return code
        case .failure(let refusal): throw Errno(refusal)
        }
    }

    /// - Throws: ``Errno/noMemory`` where the command could need more memory than this process can have; then nothing
    ///   has changed.
    private func execute(_ command: Command) throws(Errno) -> Result<CommandResult, CommandError> {
        if command.mayTakeLong || pace == .instant { LongWork.announce() }
        defer { memory.giveBack() }
        return try state.withPatientLock { state throws(Errno) in
            Self.advance(&state)
            try HostMemory.require(state.machine.memoryNeeded(for: command))
            defer { memory.note(state.machine.storedBytes) }
            do throws(CommandError) {
                let result = try state.machine.perform(command, at: state.clock.now)
                if pace == .instant {
                    state.machine.runToIdle()
                    state.clock.catchUp(to: state.machine.now)
                }
                return .success(result)
            } catch {
                state.machine.note(error, of: command)
                return .failure(error)
            }
        }
    }

    /// Lets passes stand still, or go on: those that run and those that begin meanwhile do not end.
    public func holdPasses(_ held: Bool) {
        // The machine takes this at any time.
        _ = try? perform(.holdPasses(held))
    }

    /// Virtual time since boot in nanoseconds.
    func now() throws(Errno) -> UInt64 {
        try look { machine throws(Errno) in machine.now }
    }

    /// Lets virtual time pass.
    /// - Throws: ``Errno/outOfRange`` if the clock would run over.
    func skip(nanoseconds: UInt64) throws(Errno) {
        LongWork.announce()
        defer { memory.giveBack() }
        try state.withPatientLock { state throws(Errno) in
            guard state.clock.skip(nanoseconds) else { throw Errno(.clockLimit) }
            state.machine.advance(to: state.clock.now)
            memory.note(state.machine.storedBytes)
        }
    }

    /// Series v1's flag, as the machine's driver keeps it.
    public func optimizationInProgress() throws(Errno) -> Bool {
        try look { machine throws(Errno) in machine.optimizationInProgress }
    }

    /// Whether the machine's driver walks over the regions now.
    public func passIsRunning() throws(Errno) -> Bool {
        try look { machine throws(Errno) in machine.passIsRunning }
    }

    /// What a store of 1 does. Absorbed by a pass that was asked for; never refused.
    public func reoptimize() throws(Errno) {
        try perform(.reoptimize)
    }

    /// Whether the driver has made the file and not removed it.
    public var hasTable: Bool { (try? look { machine throws(Errno) in machine.hasTable }) ?? false }
    /// The number of the file that is there now.
    public var tableNumber: Int? { try? look { machine throws(Errno) in machine.tableNumber } }

    /// Always.
    public var allowsRequests: Bool { true }

    /// Series v1 patch 5/6.
    public func showDescription(into text: inout TextBuffer) throws(Errno) {
        text.append("[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n")
    }

    /// A report of the machine as it is now.
    public func show(_ report: Report, into text: inout TextBuffer) throws(Errno) {
        try look { machine throws(Errno) in
            switch report {
            case .blockers: BlockersReport.write(machine, into: &text)
            case .passes: PassesReport.write(machine, into: &text)
            case .schedule: ScheduleReport.write(machine, into: &text)
            case .log: LogReport.write(machine, into: &text)
            case .metrics: MetricsReport.write(machine, into: &text)
            case .series: SeriesReport.write(machine, into: &text)
            }
        }
    }

    /// The lines of `rmpopt-table` from the machine's tables as they are now.
    public func showTable(from first: Int, into page: inout RecordPage) throws(Errno) {
        try withCurrentState { state throws(Errno) in
            if first == 0 { state.machine.noteReport() }
            try state.texts.showTable(of: state.machine, from: first, into: &page)
        }
    }

    /// The whole table, if the last reader found the tables as they are now.
    public func renderedTable(from first: Int) throws(Errno) -> Rendering? {
        try withCurrentState { state throws(Errno) in
            let rendering = try state.texts.renderedTable(of: state.machine)
            if first == 0 && rendering != nil { state.machine.noteReport() }
            return rendering
        }
    }

    /// The text of `cpuN` from the machine's tables as they are now.
    /// - Throws: ``Errno/noSuchDevice`` for a CPU that is offline.
    public func showRegions(ofCPU cpu: Int, into text: inout TextBuffer) throws(Errno) {
        try look { machine throws(Errno) in try MachineTexts.showRegions(ofCPU: cpu, of: machine, into: &text) }
    }

    /// The text of `cpuN`, kept for as long as the tables do not change; nil for an offline CPU.
    public func renderedRegions(ofCPU cpu: Int) throws(Errno) -> Rendering? {
        try withCurrentState { state throws(Errno) in
            try state.texts.renderedRegions(ofCPU: cpu, of: state.machine)
        }
    }
}

extension Command {
    /// Whether it changes many RMP entries at once.
    fileprivate var mayTakeLong: Bool {
        switch self {
        case .startGuest: true
        default: false
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The simulated machine as an engine: what the files ask for, put to the machine that all of them share.

public import RMPModel

/// Answers for a simulated machine.
public final class SimulatedEngine: Engine {
    /// Who may look at the machine and change it.
    let host: SharedMachine
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
    /// Whether guests come and go by themselves.
    let isScripted: Bool
    /// All of them.
    public let reports = Report.allCases

    /// Boots the machine; its clock starts at the end of the boot pass.
    public convenience init(_ configuration: MachineConfiguration, pace: Pace = .factor(1)) {
        self.init(configuration, pace: pace, SharedMachine.Limits())
    }

    /// Takes a machine that has booted; its clock goes on from where it is.
    /// - Parameters:
    ///   - witness: is told of what changes it from now on.
    ///   - script: commands that come by themselves.
    ///   - stop: the virtual time in ns at which the clock then stands still; nil: it does not.
    public convenience init(
        _ machine: Machine,
        pace: Pace = .factor(1),
        witness: (any MachineWitness)? = nil,
        script: (any CommandScript)? = nil,
        stoppingAt stop: UInt64? = nil
    ) {
        self.init(machine, pace: pace, SharedMachine.Limits(), witness, script.map { ($0, stop) })
    }

    /// The same, with other notions of what is long.
    convenience init(_ configuration: MachineConfiguration, pace: Pace, _ limits: SharedMachine.Limits) {
        self.init(Machine(configuration), pace: pace, limits, nil)
    }

    private init(
        _ machine: Machine,
        pace: Pace,
        _ limits: SharedMachine.Limits,
        _ witness: (any MachineWitness)?,
        _ script: SharedMachine.Script? = nil
    ) {
        let configuration = machine.configuration
        self.configuration = configuration
        cpuCount = machine.cpuCount
        series = configuration.series
        hasRMPOPT = machine.isRMPOPTPossible
        hasConfigfs = machine.hasConfigfs
        isScripted = script != nil
        host = SharedMachine(machine, pace: pace, limits, witness: witness, script: script)
    }

    /// Looks at the machine as it is now.
    func look<Result: Sendable>(_ body: (borrowing Machine) throws(Errno) -> Result) throws(Errno) -> Result {
        try host.withState { state throws(Errno) in try body(state.machine) }
    }

    /// Looks at the machine as it is now. What takes so long on a large one that others would wait is done with a copy,
    /// without the lock.
    /// - Parameter isLong: whether it takes long.
    func survey<Result: Sendable>(
        if isLong: (borrowing Machine) -> Bool,
        _ body: (borrowing Machine) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        if configuration.memory.regionCount <= Self.quickRegions { return try look(body) }
        LongWork.announce()
        // While it is held, what changes is stored twice.
        let (copy, result) = try host.withState { state throws(Errno) -> (Machine?, Result?) in
            if isLong(state.machine) && HostMemory.has(state.machine.storedBytes) { return (state.machine, nil) }
            return (nil, try body(state.machine))
        }
        if let result { return result }
        guard let copy else { return try look(body) }
        return try body(copy)
    }

    /// So many owners of pages are listed in about 10 ms: two for each region of the largest machine.
    private static let quickOwners = 131_072

    /// So many regions are surveyed in less than 20 ms, whatever is in them.
    private static let quickRegions = 8_192

    /// Has the machine do something now.
    @discardableResult
    func perform(_ command: Command) throws(Errno) -> CommandResult {
        switch try host.perform(command) {
        case .success(let result): return result
        case .failure(let refusal): throw Errno(refusal)
        }
    }

    /// Has the machine execute an RMP instruction.
    /// - Returns: its return code, whatever it is; other refusals are thrown.
    func code(of command: Command) throws(Errno) -> RMPCode {
        switch try host.perform(command) {
        case .success: return .success
        case .failure(.rmp(let code)): return code
        case .failure(let refusal): throw Errno(refusal)
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
        try host.skip(nanoseconds: nanoseconds)
    }

    /// What happens in the machine.
    public var eventStream: (any StreamSource)? { EventLines(host: host) }

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
    public var hasDebugfsTable: Bool { (try? look { machine throws(Errno) in machine.hasDebugfsTable }) ?? false }
    /// The number of the file that is there now.
    public var debugfsTableNumber: Int? { try? look { machine throws(Errno) in machine.debugfsTableNumber } }

    /// Always.
    public var allowsRequests: Bool { true }

    /// Series v1 patch 5/6.
    public func showDescription(into text: inout TextBuffer) throws(Errno) {
        text.append("[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n")
    }

    /// A report of the machine as it is now.
    public func show(_ report: Report, into text: inout TextBuffer) throws(Errno) {
        if report == .events {
            let (events, lost) = try look { machine throws(Errno) in
                let log = machine.eventLog
                return (log.events(from: 0), log.first)
            }
            return EventText.write(events, lost: lost, into: &text)
        }
        let pace = host.pace
        try survey(if: { report == .blockers && $0.ownerCount > Self.quickOwners }) { machine throws(Errno) in
            switch report {
            case .blockers: BlockersReport.write(machine, into: &text)
            case .passes: PassesReport.write(machine, into: &text)
            case .schedule: ScheduleReport.write(machine, pace, into: &text)
            case .log: LogReport.write(machine, into: &text)
            case .metrics: MetricsReport.write(machine, into: &text)
            case .series: SeriesReport.write(machine, into: &text)
            case .events: EventText.write(machine.eventLog, into: &text)
            }
        }
    }

    /// The lines of `rmpopt-table` from the machine's tables as they are now.
    public func showDebugfsTable(from first: Int, into page: inout RecordPage) throws(Errno) {
        try host.withState { state throws(Errno) in
            if first == 0 { state.noteReport() }
            try state.texts.showDebugfsTable(of: state.machine, from: first, into: &page)
        }
    }

    /// The whole table, if the last reader found the tables as they are now.
    public func renderedDebugfsTable(from first: Int) throws(Errno) -> Rendering? {
        try host.withState { state throws(Errno) in
            let rendering = try state.texts.renderedDebugfsTable(of: state.machine)
            if first == 0 && rendering != nil { state.noteReport() }
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
        try host.withState { state throws(Errno) in
            try state.texts.renderedRegions(ofCPU: cpu, of: state.machine)
        }
    }
}

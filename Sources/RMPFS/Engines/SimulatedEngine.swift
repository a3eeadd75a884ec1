// SPDX-License-Identifier: Apache-2.0
// The simulated machine as an engine: one lock, one clock, and the machine brought up to date by whoever looks.

public import RMPModel
import Synchronization

/// Answers for a simulated machine.
public final class SimulatedEngine: Engine {
    private struct State: Sendable {
        var machine: Machine
        var clock: HostClock
        var texts = MachineTexts()
    }

    private let state: Mutex<State>
    private let pace: Pace
    /// The number of CPUs.
    public let cpuCount: Int

    /// Boots the machine; its clock starts at the end of the boot pass.
    public init(_ configuration: MachineConfiguration, pace: Pace = .factor(1)) {
        let machine = Machine(configuration)
        cpuCount = machine.cpuCount
        self.pace = pace
        let clock = HostClock(pace: pace, startingAt: machine.now)
        state = Mutex(State(machine: machine, clock: clock))
    }

    /// Runs `body` with the state to itself and up to date.
    private func withCurrentState<Result: Sendable>(
        _ body: (inout State) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        try state.withPatientLock { state throws(Errno) in
            state.machine.advance(to: state.clock.now)
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
        if command.mayTakeLong || pace == .instant { LongWork.announce() }
        return try state.withPatientLock { state throws(Errno) in
            let result: CommandResult
            do throws(CommandError) {
                result = try state.machine.perform(command, at: state.clock.now)
            } catch {
                throw Errno(error)
            }
            if pace == .instant {
                state.machine.runToIdle()
                state.clock.catchUp(to: state.machine.now)
            }
            return result
        }
    }

    /// Virtual time since boot in nanoseconds.
    func now() throws(Errno) -> UInt64 {
        try look { machine throws(Errno) in machine.now }
    }

    /// Lets virtual time pass.
    /// - Throws: ``Errno/outOfRange`` if the clock would run over.
    func skip(nanoseconds: UInt64) throws(Errno) {
        LongWork.announce()
        try state.withPatientLock { state throws(Errno) in
            guard state.clock.skip(nanoseconds) else { throw .outOfRange }
            state.machine.advance(to: state.clock.now)
        }
    }

    public func optimizationInProgress() throws(Errno) -> Bool {
        try look { machine throws(Errno) in machine.optimizationInProgress }
    }

    public func passIsRunning() throws(Errno) -> Bool {
        try look { machine throws(Errno) in machine.passIsRunning }
    }

    public func reoptimize() throws(Errno) {
        try perform(.reoptimize)
    }

    public func showTable(from first: Int, into page: inout RecordPage) throws(Errno) {
        try withCurrentState { state throws(Errno) in
            try state.texts.showTable(of: state.machine, from: first, into: &page)
        }
    }

    public func renderedTable() throws(Errno) -> Rendering? {
        try withCurrentState { state throws(Errno) in try state.texts.renderedTable(of: state.machine) }
    }

    public func showRegions(ofCPU cpu: Int, into text: inout TextBuffer) throws(Errno) {
        try look { machine throws(Errno) in try MachineTexts.showRegions(ofCPU: cpu, of: machine, into: &text) }
    }

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
        case .startGuest, .stopGuest, .removeGuest: true
        default: false
        }
    }
}

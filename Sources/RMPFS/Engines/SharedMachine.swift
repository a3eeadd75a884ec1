// SPDX-License-Identifier: Apache-2.0
// The simulated machine as all requests share it: who may look, whose turn it is to change it, and how work that takes
// long lets the others in. Nobody who only looks waits for somebody's work, but for a piece of it.

import Glibc
import RMPModel
import Synchronization

/// A machine with its clock and its texts, behind one lock.
///
/// Whoever looks brings the machine up to date first. What takes long is done in one of two ways, by one thread at a
/// time, which has the turn:
///
/// - Time passes in pieces, each of which ends at a moment of virtual time. Between two of them others may look, and
///   find the machine as it is at that moment.
/// - A command that changes much is one moment. It is done on a copy, which takes the machine's place when it is done;
///   until then others find the machine as it was before.
///
/// While somebody has the turn the machine does not follow the clock: virtual time stands still for whoever looks, or
/// is that of the piece. Commands wait for the turn in the order in which they came.
final class SharedMachine: Sendable {
    /// What the lock holds.
    struct State: Sendable {
        var machine: Machine
        var texts = MachineTexts()
        var clock: HostClock
        /// Whether somebody has the turn.
        fileprivate(set) var isTaken = false
        /// Those who wait for the turn, the first of them first.
        fileprivate var queue: [Semaphore] = []
        /// Whether a command is being done on a copy.
        fileprivate var isCopied = false
        /// Reports that were read meanwhile.
        fileprivate var reports = 0
        /// Commands that are still to come by themselves.
        var script: (any CommandScript)?
        /// Who writes down what changes the machine.
        fileprivate let witness: (any MachineWitness)?

        fileprivate init(_ machine: Machine, _ pace: Pace, _ witness: (any MachineWitness)?, _ script: Script?) {
            self.machine = machine
            self.witness = witness
            self.script = script?.commands
            clock = HostClock(pace: pace, startingAt: machine.now, stoppingAt: script?.end)
        }

        fileprivate mutating func report() {
            let before = machine.undefinedOpcodes
            machine.noteReport()
            if let witness, machine.undefinedOpcodes != before { witness.noteReport(at: machine.now) }
        }

        /// Notes that somebody reads the kernel's report; a copy that is in work learns of it later.
        mutating func noteReport() {
            if isCopied { reports += 1 } else { report() }
        }
    }

    /// Commands to come, and the virtual time in ns at which the clock then stands still, if it does.
    typealias Script = (commands: any CommandScript, end: UInt64?)

    /// What the machine answers to a command.
    typealias Outcome = Result<CommandResult, CommandError>

    /// When work is long.
    struct Limits: Sendable {
        /// How much is done at a time, in chunks of 2 MB that go back: 0.2 to 3 ms, by how far they lie apart, and more
        /// while somebody surveys a copy.
        var piece = 4_096
        /// A command that visits more chunks is done on a copy. Making one takes up to 20 ms on the largest machine.
        var inPlace = 32_768
    }

    let state: TurnLock<State>
    let limits: Limits
    /// Whether all that a command starts has ended when it is answered.
    let isInstant: Atomic<Bool>
    let memory = HostMemory()
    private let witness: (any MachineWitness)?
    /// Those who wait for events; whoever changes the machine or gives it free tells them.
    let watch = EventWatch()
    /// Called between two pieces of something long, by the thread that does it, without the lock; for tests.
    let betweenPieces = Lock<(@Sendable () -> Void)?>(nil)

    /// How far due work may lie back, in ns of virtual time, before bringing the machine up to date may take long.
    private static let backlog: UInt64 = 10_000_000
    /// How long somebody who looks works himself on what is due, in ns.
    private static let patience: UInt64 = 20_000_000

    init(
        _ machine: Machine,
        pace: Pace,
        _ limits: Limits,
        witness: (any MachineWitness)? = nil,
        script: Script? = nil
    ) {
        self.limits = limits
        isInstant = Atomic(pace == .instant)
        self.witness = witness
        state = TurnLock(State(machine, pace, witness, script))
    }

    // MARK: Looking

    /// Runs `body` with the machine up to date; while somebody has the turn, as far as it has come.
    ///
    /// When very much is due, because nobody has looked for long, the thread goes on with it after its answer.
    func withState<Answer: Sendable>(_ body: (inout State) throws(Errno) -> Answer) throws(Errno) -> Answer {
        defer { memory.giveBack() }
        let answer: Answer? = try state.withLock { state throws(Errno) -> Answer? in
            if !state.isTaken && !bringUpToDate(&state) {
                state.isTaken = true
                let willGoOn = LongWork.follow { [self] in
                    catchUp()
                    passTurn()
                }
                if !willGoOn { return nil }
            }
            return try body(&state)
        }
        if let answer { return answer }
        catchUp()
        passTurn()
        return try state.withLock { state throws(Errno) in try body(&state) }
    }

    /// - Returns: false if there is more to do than anybody should wait for.
    private func bringUpToDate(_ state: inout State) -> Bool {
        let now = state.clock.now
        // Nearly always nothing is due. Then nothing else is asked: reading a property copies part of the machine.
        if state.script == nil && state.machine.advanceWhileIdle(to: now) { return true }
        defer { memory.note(&state.machine) }
        if let due = state.machine.nextDue, due < now, now - due > Self.backlog { LongWork.announce() }
        if state.advance(to: now, effort: limits.piece) { return true }
        LongWork.announce()
        let start = HostClock.monotonic
        while HostClock.monotonic - start < Self.patience {
            if state.advance(to: now, effort: limits.piece) { return true }
        }
        return false
    }

    // MARK: Changing

    /// Has the machine do something now.
    ///
    /// - Returns: what the machine answers.
    /// - Throws: ``Errno/noMemory`` where the command could need more memory than this process can have; then nothing
    ///   has changed.
    func perform(_ command: Command) throws(Errno) -> Outcome {
        defer { memory.giveBack() }
        let isInstant = isInstant.load(ordering: .relaxed)
        if command.mayTakeLong || isInstant { LongWork.announce() }
        if !isInstant, let result = try performAtOnce(command) {
            watch.noteChange()
            return result
        }
        LongWork.announce()
        takeTurn()
        defer { passTurn() }
        let now = state.withLock { $0.clock.now }
        inPieces { $0.advance(to: now, effort: limits.piece) }
        let outcome = try performInTurn(command, at: now)
        if isInstant, case .success = outcome {
            inPieces { $0.machine.runToIdle(effort: limits.piece) }
            state.withLock { $0.clock.catchUp(to: $0.machine.now) }
        }
        state.withLock { memory.note(&$0.machine) }
        return outcome
    }

    /// Lets virtual time pass.
    /// - Throws: ``Errno/outOfRange`` if the clock would run over.
    func skip(nanoseconds: UInt64) throws(Errno) {
        LongWork.announce()
        defer { memory.giveBack() }
        takeTurn()
        defer { passTurn() }
        let now = try state.withLock { state throws(Errno) in
            guard state.clock.skip(nanoseconds) else { throw Errno(.clockLimit) }
            return state.clock.now
        }
        inPieces { $0.advance(to: now, effort: limits.piece) }
    }

    /// - Returns: nil if it is somebody's turn, or if it would take long.
    private func performAtOnce(_ command: Command) throws(Errno) -> Outcome? {
        try state.withLock { state throws(Errno) -> Outcome? in
            if state.isTaken { return nil }
            let now = state.clock.now
            let wasIdle = state.script == nil && state.machine.advanceWhileIdle(to: now)
            guard wasIdle || state.advance(to: now, effort: limits.piece),
                state.machine.effort(of: command) <= limits.inPlace
            else { return nil }
            try HostMemory.require(state.machine.memoryNeeded(for: command))
            // The machine is up to date: a time in the past is the present, and nothing is looked for a second time.
            let outcome = Self.perform(command, at: 0, on: &state.machine, witness)
            // Reading a property copies the machine, and most writes are requests for a pass, which store nothing.
            if !wasIdle || command != .reoptimize { memory.note(&state.machine) }
            return outcome
        }
    }

    static func perform(
        _ command: Command,
        at time: UInt64,
        on machine: inout Machine,
        _ witness: (any MachineWitness)?
    ) -> Outcome {
        let outcome: Outcome
        do throws(CommandError) {
            outcome = .success(try machine.perform(command, at: time))
        } catch {
            machine.note(error, of: command)
            outcome = .failure(error)
        }
        witness?.note(command, outcome, at: machine.now)
        return outcome
    }

    // MARK: The turn

    func takeTurn() {
        let place = state.withLock { state -> Semaphore? in
            if !state.isTaken {
                state.isTaken = true
                return nil
            }
            let place = Semaphore()
            state.queue.append(place)
            return place
        }
        place?.wait()
    }

    func passTurn() {
        state.withLock { state in
            if state.queue.isEmpty { state.isTaken = false } else { state.queue.removeFirst().signal() }
        }
        watch.noteChange()
    }

    /// Does work piece by piece until it answers true. Only in one's turn.
    ///
    /// - Parameter isWanted: asked between the pieces; the work is left as it is when it is false.
    func inPieces(while isWanted: () -> Bool = { true }, _ work: (inout State) -> Bool) {
        while isWanted() && !state.withLock({ doPiece(work, &$0) }) {
            memory.giveBackNow()
            betweenPieces.withLock { $0 }?()
            state.giveWay()
        }
    }

    private func doPiece(_ work: (inout State) -> Bool, _ state: inout State) -> Bool {
        defer { memory.note(&state.machine) }
        return work(&state)
    }

    /// Does what was due when this began, unless the mount ends.
    private func catchUp() {
        let now = state.withLock { $0.clock.now }
        inPieces(while: { !LongWork.isUnwanted }) { $0.advance(to: now, effort: limits.piece) }
    }

    private func performInTurn(_ command: Command, at time: UInt64) throws(Errno) -> Outcome {
        let isLong = try state.withLock { state throws(Errno) in
            let need = state.machine.memoryNeeded(for: command)
            try HostMemory.require(need)
            // All that changes is stored twice for a while; where memory is short, others have to wait.
            state.isCopied =
                state.machine.effort(of: command) > limits.inPlace && HostMemory.has(need + state.machine.storedBytes)
            return state.isCopied
        }
        if !isLong { return state.withLock { Self.perform(command, at: time, on: &$0.machine, witness) } }
        var copy = state.withLock { $0.machine }
        // What a command has done before it was refused stays, as it does without a copy.
        let outcome = Self.perform(command, at: time, on: &copy, witness)
        betweenPieces.withLock { $0 }?()
        // What was before is dropped below, without the lock.
        state.withLock { state in
            swap(&state.machine, &copy)
            state.isCopied = false
            for _ in 0..<state.reports { state.report() }
            state.reports = 0
        }
        return outcome
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

// SPDX-License-Identifier: Apache-2.0
// The outcome of a step on either model, in a form that can be compared and counted.

@testable import RMPModel

/// The answer to a step.
enum Outcome: Sendable, Hashable {
    case result(CommandResult)
    case refused(CommandError)
    case read(RMPReadOutput?)

    /// The name under which the outcome is counted.
    var name: String {
        switch self {
        case .result(.done): "done"
        case .result(.carry(let carry)): carry ? "carry 1" : "carry 0"
        case .result(.pass(let outcome)): Literal.caseName(outcome)
        case .result(.pvalidate(let outcome)):
            outcome.isUnchanged ? "unchanged" : outcome.code == .success ? "changed" : Literal.caseName(outcome.code)
        case .result(let result): Literal.caseName(result)
        case .refused(.rmp(let code)): code.description
        case .refused(.fault(let fault)): fault.description
        case .refused(.nestedFault(let fault)): "fault \(fault)"
        case .refused(.busy(let busy)): "busy \(busy)"
        case .refused(.unsupported(let reason)): "unsupported \(reason)"
        case .refused(.invalid(let reason)): "invalid \(Literal.caseName(reason))"
        case .refused(.placement(.noRanges)): "placement noRanges"
        case .refused(.placement(let reason)): "placement \(Literal.caseName(reason))"
        // These have a description of their own, which hides the name of the case.
        case .refused(.noSNP): "noSNP"
        case .refused(.noASID): "noASID"
        case .refused(.firmwareFailed): "firmwareFailed"
        case .refused(let error): Literal.caseName(error)
        case .read(nil): "FAIL_INPUT"
        case .read(let output?): output.assigned ? "assigned" : "hypervisor-owned"
        }
    }

    init(_ body: () throws(CommandError) -> CommandResult) {
        do {
            self = .result(try body())
        } catch {
            self = .refused(error)
        }
    }
}

extension Machine {
    mutating func outcome(of action: Action, at time: UInt64) -> Outcome {
        if case .perform(let command) = action {
            return Outcome { () throws(CommandError) in try perform(command, at: time) }
        }
        advance(to: time)
        if case .read(let spa) = action { return .read(try? rmpread(spa)) }
        if action == .runToIdle { runToIdle() }
        return .result(.done)
    }

    /// The chunks that a guest holds.
    func given(_ id: GuestID) -> LaunchGiven {
        var chunks: [UInt64] = []
        guests[id]?.forEachChunk { _, chunk in
            chunks.append(UInt64(chunk))
            return true
        }
        return LaunchGiven(chunks: chunks)
    }
}

extension NaiveMachine {
    mutating func outcome(of action: Action, at time: UInt64, given: LaunchGiven?) -> Outcome {
        if case .perform(let command) = action {
            return Outcome { () throws(CommandError) in try perform(command, at: time, given: given) }
        }
        advance(to: time)
        if case .read(let spa) = action { return .read(rmp.rmpread(spa.rawValue)) }
        if action == .runToIdle { runToIdle() }
        return .result(.done)
    }

    /// Whether a step would change a running guest's control page without RMPUPDATE's checks. Firmware and hardware do
    /// not do that to a running guest, and no rule says what would happen.
    ///
    /// Nor may RMPOPT_BASE change while the core's table has bits set: kernels write it before they scan, and nobody
    /// knows what becomes of the bits.
    func isForbidden(_ action: Action) -> Bool {
        guard case .perform(let command) = action else { return false }
        if case .wrmsr(let cpu, RMPOPTBase.msr, let value) = command,
            setup.configuration.topology.places.indices.contains(cpu)
        {
            let core = setup.configuration.topology.places[cpu].core
            return value != rmpoptTables.bases[core] && rmpoptTables.optimized.contains { $0.contains(core) }
        }
        guard let page = command.forcedPage else { return false }
        return guests.values.contains { guest in
            guest.controls.contains { $0 == page.rawValue || $0 / 512 == page.rawValue / 512 && rmp.isCovered($0) }
        }
    }
}

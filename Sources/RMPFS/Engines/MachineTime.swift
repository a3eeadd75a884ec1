// SPDX-License-Identifier: Apache-2.0
// Letting virtual time pass until something happens, and changing how it follows the wall clock.

import RMPModel

extension SharedMachine {
    /// Lets time pass until nothing is pending; none if nothing is.
    func skipToIdle() { skip(toFirstEvent: false) }

    /// Lets time pass until the next event; none if nothing is pending.
    func skipToNextEvent() { skip(toFirstEvent: true) }

    private func skip(toFirstEvent: Bool) {
        LongWork.announce()
        defer { memory.giveBack() }
        takeTurn()
        defer { passTurn() }
        let now = state.withLock { state in
            state.clock.setFree()
            return state.clock.now
        }
        inPieces { $0.advance(to: now, effort: limits.piece) }
        let start = state.withLock { $0.machine.eventLog.count }
        inPieces { state in
            if toFirstEvent && state.machine.eventLog.count != start { return true }
            guard let next = state.nextEvent, next < state.clock.limit else { return true }
            _ = state.advance(to: next, effort: limits.piece)
            return false
        }
        state.withLock { $0.clock.catchUp(to: $0.machine.now) }
    }

    /// Has virtual time follow the wall clock at another pace from now on.
    func setPace(_ pace: Pace) {
        LongWork.announce()
        defer { memory.giveBack() }
        takeTurn()
        defer { passTurn() }
        isInstant.store(pace == .instant, ordering: .relaxed)
        state.withLock { $0.clock.set(pace) }
        if pace != .instant { return }
        inPieces { $0.machine.runToIdle(effort: limits.piece) }
        state.withLock { $0.clock.catchUp(to: $0.machine.now) }
    }

    /// How virtual time follows the wall clock.
    var pace: Pace { state.withLock { $0.clock.pace } }
}

// SPDX-License-Identifier: Apache-2.0
// One step of a random sequence, as a value that can be left out, made smaller, run again, and pasted into a test.

@testable import RMPModel

/// What is done, and how long after the step before.
struct Step: Sendable, Hashable {
    /// Virtual time since the step before, in ns.
    var after: UInt64
    var action: Action

    init(after: UInt64 = 0, _ action: Action) {
        self.after = after
        self.action = action
    }
}

/// Commands, questions, and time.
enum Action: Sendable, Hashable {
    case perform(Command)
    /// RMPREAD.
    case read(SPA)
    /// Nothing: time passes.
    case wait
    /// All pending work is done.
    case runToIdle
}

extension Command {
    /// The guest that the command is about.
    var guestID: GuestID? {
        switch self {
        case .setGuestMemory(let id, _), .setGuestBacking(let id, _), .setGuestPlacement(let id, _),
            .setGuestNode(let id, _), .setGuestVCPUs(let id, _), .startGuest(let id), .stopGuest(let id),
            .removeGuest(let id), .convert(let id, _, _), .validate(let id, _, _):
            id
        default: nil
        }
    }

    /// The page whose entry is changed past RMPUPDATE's checks.
    var forcedPage: PFN? {
        switch self {
        case .firmwareChange(let spa, _, _), .lock(let spa, _): spa.pfn
        default: nil
        }
    }
}

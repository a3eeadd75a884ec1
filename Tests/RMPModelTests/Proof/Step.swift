// SPDX-License-Identifier: Apache-2.0
// One step of a random sequence, as a value that can be left out, made smaller, run again, and pasted into a test.

@testable import RMPModel

/// What is done, and how long after the previous step.
struct Step: Sendable, Hashable {
    /// Virtual time since the previous step, in ns.
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
        case .setGuestType(let id, _), .setGuestMemory(let id, _), .setGuestBacking(let id, _),
            .setGuestPlacement(let id, _), .setGuestNode(let id, _), .setGuestVCPUs(let id, _), .createVM(let id),
            .startGuest(let id),
            .stopGuest(let id), .removeGuest(let id), .convert(let id, _, _), .validate(let id, _, _):
            id
        default: nil
        }
    }

    /// The same command for another guest.
    func about(_ other: GuestID) -> Command {
        switch self {
        case .setGuestType(_, let type): .setGuestType(other, type)
        case .setGuestMemory(_, let bytes): .setGuestMemory(other, bytes: bytes)
        case .setGuestBacking(_, let backing): .setGuestBacking(other, backing)
        case .setGuestPlacement(_, let placement): .setGuestPlacement(other, placement)
        case .setGuestNode(_, let node): .setGuestNode(other, node)
        case .setGuestVCPUs(_, let count): .setGuestVCPUs(other, count)
        case .createVM: .createVM(other)
        case .startGuest: .startGuest(other)
        case .stopGuest: .stopGuest(other)
        case .removeGuest: .removeGuest(other)
        case .convert(_, let gpa, let toPrivate): .convert(other, gpa: gpa, toPrivate: toPrivate)
        case .validate(_, let gpa, let size): .validate(other, gpa: gpa, size)
        default: self
        }
    }

    /// The page whose entry the command changes without RMPUPDATE's checks.
    var forcedPage: PFN? {
        switch self {
        case .firmwareChange(let spa, _, _), .lock(let spa, _): spa.pfn
        default: nil
        }
    }
}

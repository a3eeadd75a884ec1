// SPDX-License-Identifier: Apache-2.0
// The two forms of an entry's 16 bytes, and which of its bits decide who owns its page.

import RMPModel

/// How the entries of a table are written.
public enum EntryForm: String, Sendable, Hashable, CaseIterable {
    /// As the processor stores them in memory (``RawRMPEntry``).
    ///
    /// AMD has published this form for Zen 3 and 4. Whether Zen 5 and later use it is not known: on these, Linux uses
    /// RMPREAD. The scan counts entries that no row of the manual's table of states describes, so a different form is
    /// noticed.
    case raw
    /// As RMPREAD stores them (``RMPReadOutput``): a dump made by software, entry by entry.
    case rmpread

    /// The low quadword of the raw form.
    ///
    /// RMPREAD does not show VMSA, validated and lock, which are 0 here; the subpage count is 1 if another page of the
    /// 2 MB is assigned.
    @inline(__always)
    func rawLow(_ first: UInt64, _ second: UInt64) -> UInt64 {
        if self == .raw { return first }
        // Bytes 8 ... 15: assigned, page size and region status, immutable, reserved, ASID.
        return first & OwnerKey.gpaMask | second & 1 | (second >> 8 & 1) << 1 | (second >> 16 & 1) << 2
            | (second >> 9 & 1) << 3 | (second >> 32 & 0x3ff) << OwnerKey.asidShift
    }
}

/// The bits of a raw low quadword that decide who owns the page and whether the manual describes the entry, as a small
/// number: ASID, validated, lock, immutable, assigned.
///
/// The literals repeat the positions in ``RawRMPEntry/LowBits``, and a test compares them: constants of another module
/// would be loaded in the innermost loop.
enum OwnerKey {
    static let asidShift: UInt64 = 51
    static let gpaMask: UInt64 = 0x7f_ffff_ffff << 12
    static let countMask: UInt64 = 0x1ff << 3
    /// All but GPA and subpage count: pages that agree in these bits have the same owner, and the manual describes all
    /// of them or none.
    static let mask: UInt64 = ~(gpaMask | countMask)
    /// The number of keys.
    static let count = 1 << 14
    static let assigned = 1
    static let immutable = 2
    static let lock = 4
    static let validated = 8
    /// Lower keys have no ASID.
    static let firstGuest = 16

    @inline(__always)
    static func of(_ low: UInt64) -> Int {
        Int(truncatingIfNeeded: low >> 47 & 0x3ff0 | low >> 59 & 8 | low >> 61 & 4 | low >> 1 & 2 | low & 1)
    }

    /// The number of places.
    static let places = 1 << 16

    /// The key's bits, and two that do not matter, in an order that costs little: bits 51 ... 63, then 0 ... 2. For
    /// counting entry by entry (``ChunkEntries``); guests, who differ in the lowest bits, lie close together.
    @inline(__always)
    static func place(_ low: UInt64) -> Int { Int(truncatingIfNeeded: (low << 13 | low >> 51) & 0xffff) }

    /// The key that belongs to a place.
    static func of(place: Int) -> Int { of(UInt64(place) << 51 | UInt64(place) >> 13) }

    /// Whether no row of the table of page states describes the entry, whatever its GPA.
    ///
    /// Such entries are: assigned, without an ASID, but validated; and not assigned, but validated or with an ASID.
    static func isUndescribed(_ key: Int) -> Bool {
        let isValidated = key & validated != 0
        return key & assigned == 0 ? isValidated || key >= firstGuest : isValidated && key < firstGuest
    }

    /// Whether the page is assigned, but not to a guest.
    static func isUnowned(_ key: Int) -> Bool { key < firstGuest && key & assigned != 0 }

    /// Whether the page cannot move: unowned or HV-fixed.
    static func isFixed(_ key: Int) -> Bool { key < firstGuest && key & (assigned | immutable) != 0 }

    /// The owners of pages that are not a guest's.
    static let unowned: [PageOwner] = [.firmware, .reclaim, .locked, .hypervisorFixed, .free]

    static func owner(_ key: Int) -> PageOwner {
        if key & assigned == 0 { return key & immutable == 0 ? .free : .hypervisorFixed }
        if key >= firstGuest { return .guest(asid: UInt16(truncatingIfNeeded: key >> 4)) }
        if key & immutable != 0 { return .firmware }
        return key & lock == 0 ? .reclaim : .locked
    }
}

// SPDX-License-Identifier: Apache-2.0
// The 16 bytes of an RMP entry as they lie in memory: what Linux dumps when an RMPUPDATE fails.

/// What a VMPL may do with a page: a raw entry holds one mask for each of four VMPLs.
///
/// Source: AMD's ASP firmware header; APM vol 2 15.36.7.
public struct VMPLPermissions: OptionSet, Sendable, Hashable {
    /// The eight bits of the mask.
    public var rawValue: UInt8

    /// A mask of eight bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Read.
    public static let read = VMPLPermissions(rawValue: 1 << 0)
    /// Write.
    public static let write = VMPLPermissions(rawValue: 1 << 1)
    /// Execute in user mode.
    public static let executeUser = VMPLPermissions(rawValue: 1 << 2)
    /// Execute in supervisor mode.
    public static let executeSupervisor = VMPLPermissions(rawValue: 1 << 3)
    /// Supervisor shadow stack.
    public static let shadowStack = VMPLPermissions(rawValue: 1 << 4)
    /// Everything.
    public static let full: VMPLPermissions = [.read, .write, .executeUser, .executeSupervisor, .shadowStack]
}

/// An RMP entry in raw form.
///
/// The model stores no high quadword, because it follows from the low one (`init(_:subpageCount:)`): RMPUPDATE gives
/// VMPL0 every permission and the others none, and RMPADJUST, which could change that, is not modelled.
///
/// Source: PPR for Family 19h Model 01h; AMD's ASP firmware header (`sev_rmp.h`); Linux `struct rmpentry_raw`.
public struct RawRMPEntry: Sendable, Hashable {
    /// Bits 63:0: assigned 0, page size 1, immutable 2, subpage count 11:3, GPA 50:12, ASID 60:51, VMSA 61,
    /// validated 62, lock 63.
    public var low: UInt64
    /// Bits 127:64: VMPL masks 31:0, implicit key select 32, root port 53:49, IDE stream 61:54, page migration 63:62.
    public var high: UInt64

    /// An entry from its quadwords.
    public init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// The raw form of an entry: full permissions for VMPL0 if a guest may access the page, that is, if it is assigned
    /// and has an ASID; 0 in all other fields of the high quadword.
    ///
    /// - Parameter subpageCount: see ``RMPEntry/rawLow(subpageCount:)``.
    public init(_ entry: RMPEntry, subpageCount: Int = 0) {
        low = entry.rawLow(subpageCount: subpageCount)
        high = entry.assigned && entry.asid != 0 ? UInt64(VMPLPermissions.full.rawValue) : 0
    }

    /// The fields of the low quadword, without the subpage count.
    public var entry: RMPEntry { RMPEntry(rawLow: low) }
    /// For a 2 MB-aligned page, the number of other assigned 4 KB pages in its 2 MB, 0 ... 511.
    public var subpageCount: Int { Int(low >> 3 & 0x1ff) }
    /// The mask of a VMPL, 0 ... 3; empty for any other number.
    public func permissions(ofVMPL vmpl: Int) -> VMPLPermissions {
        guard 0...3 ~= vmpl else { return [] }
        return VMPLPermissions(rawValue: UInt8(truncatingIfNeeded: high >> UInt64(vmpl * 8)))
    }
    /// Bit 32 of the high quadword.
    public var implicitKeySelect: Bool { high >> 32 & 1 != 0 }
    /// Bits 53:49 of the high quadword, 0 ... 31.
    public var rootPort: UInt8 { UInt8(high >> 49 & 0x1f) }
    /// Bits 61:54 of the high quadword.
    public var ideStream: UInt8 { UInt8(high >> 54 & 0xff) }
    /// Bits 63:62 of the high quadword, 0 ... 3.
    public var pageMigration: UInt8 { UInt8(high >> 62) }

    /// The 16 bytes, little-endian.
    public var bytes: [UInt8] { LittleEndian.bytes(low, count: 8) + LittleEndian.bytes(high, count: 8) }

    /// An entry from 16 bytes, little-endian; nil for any other number of bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        low = LittleEndian.value(bytes[0..<8])
        high = LittleEndian.value(bytes[8..<16])
    }
}

/// Numbers as the processor stores them.
enum LittleEndian {
    /// The `count` low bytes of a number, lowest first.
    static func bytes(_ value: UInt64, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) }
    }

    /// The number that at most eight bytes hold, lowest first.
    static func value(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}

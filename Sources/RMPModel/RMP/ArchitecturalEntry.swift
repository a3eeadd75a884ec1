// SPDX-License-Identifier: Apache-2.0
// The 16 bytes that software exchanges with RMPUPDATE and RMPREAD, whatever the raw entries of a processor look like.

/// Where the fields lie in the architectural form:
///
///     0   GPA, 8 bytes
///     8   assigned, 1 byte
///     9   bit 0: page size; bit 1: status of the 2 MB region (RMPREAD only)
///     10  immutable, 1 byte
///     11  reserved
///     12  ASID, 4 bytes
///
/// In a byte with one flag, bit 0 counts and the other bits are ignored: a choice.
///
/// Source: APM vol 3, RMPUPDATE and RMPREAD; Linux `struct rmp_state`, `struct rmpread` in arch/x86/virt/svm/sev.c.
private enum ArchitecturalEntry {
    static let size = 16

    static func bytes(
        gpa: GPA,
        assigned: Bool,
        pageSize: PageSize,
        hugePageRegionStatus: Bool,
        immutable: Bool,
        asid: UInt32
    ) -> [UInt8] {
        LittleEndian.bytes(gpa.rawValue, count: 8)
            + [assigned ? 1 : 0, pageSize.rawValue | (hugePageRegionStatus ? 2 : 0), immutable ? 1 : 0, 0]
            + LittleEndian.bytes(UInt64(asid), count: 4)
    }
}

extension RMPUpdateInput {
    /// The 16 bytes that RCX points to.
    public var bytes: [UInt8] {
        ArchitecturalEntry.bytes(
            gpa: gpa,
            assigned: assigned,
            pageSize: pageSize,
            hugePageRegionStatus: false,
            immutable: immutable,
            asid: asid
        )
    }

    /// An input from 16 bytes; nil for any other number of bytes.
    public init?(bytes: [UInt8]) {
        guard let output = RMPReadOutput(bytes: bytes) else { return nil }
        self.init(
            gpa: output.gpa,
            assigned: output.assigned,
            pageSize: output.pageSize,
            immutable: output.immutable,
            asid: output.asid
        )
    }
}

extension RMPReadOutput {
    /// The 16 bytes that RMPREAD stores.
    public var bytes: [UInt8] {
        ArchitecturalEntry.bytes(
            gpa: gpa,
            assigned: assigned,
            pageSize: pageSize,
            hugePageRegionStatus: hugePageRegionStatus,
            immutable: immutable,
            asid: asid
        )
    }

    /// An output from 16 bytes; nil for any other number of bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == ArchitecturalEntry.size else { return nil }
        self.init(
            gpa: GPA(LittleEndian.value(bytes[0..<8])),
            assigned: bytes[8] & 1 != 0,
            pageSize: bytes[9] & 1 != 0 ? .size2M : .size4K,
            hugePageRegionStatus: bytes[9] & 2 != 0,
            immutable: bytes[10] & 1 != 0,
            asid: UInt32(truncatingIfNeeded: LittleEndian.value(bytes[12..<16]))
        )
    }
}

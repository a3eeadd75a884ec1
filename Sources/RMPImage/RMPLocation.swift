// SPDX-License-Identifier: Apache-2.0
// Finds the RMP: from the registers and, if it is segmented, from the segment table in memory.

public import RMPModel

/// The registers that say where an RMP lies, as RDMSR gives them.
public struct RMPRegisters: Sendable, Hashable {
    /// RMP_BASE.
    public var base: UInt64
    /// RMP_END; only a contiguous RMP has one.
    public var end: UInt64
    /// RMP_CFG: bit 0 SegmentedRmpEn, bits 13:8 the segment size as a shift; 0 on a processor without the register.
    public var configuration: UInt64

    /// Registers by their values.
    public init(base: UInt64, end: UInt64 = 0, configuration: UInt64 = 0) {
        self.base = base
        self.end = end
        self.configuration = configuration
    }

    /// RMP_CFG bit 0.
    public var isSegmented: Bool { configuration & 1 != 0 }
    /// RMP_CFG bits 13:8.
    public var shift: UInt8 { UInt8(configuration >> 8 & 0x3f) }
}

/// Why the RMP was not found.
public enum LocationError: Error, Sendable {
    /// RMP_BASE is 0: the BIOS has reserved nothing.
    case notReserved
    /// RMP_END is 0, but RMP_CFG does not say that the RMP is segmented.
    case noEnd
    /// A register or an entry of the RST has an invalid value.
    case value(ConfigurationError)
    /// Bits 63:52 of an entry of the RST are not zero: the address does not hold an RST.
    case rst(index: Int, value: UInt64, address: UInt64)
    /// No entry of the RST defines a segment.
    case noSegments(address: UInt64)
    /// The RST could not be read.
    case memory(MemoryError)
}

extension RMPLayout {
    /// The layout that the registers and, for a segmented RMP, the RST in memory describe.
    ///
    /// Source: APM vol 2 15.36.3, 15.36.22.
    /// - Parameter entries: how many entries of the RST the processor looks at, 1 ... 512: fewer than 512 if it has
    ///   NumSegReduction.
    public static func find(
        _ registers: RMPRegisters,
        in memory: any PhysicalMemory,
        entries: Int = RSTEntry.limit
    ) throws(LocationError) -> RMPLayout {
        // Bits 51:13; the low 13 bits of RMP_END read as ones.
        let base = registers.base & 0xf_ffff_ffff_e000
        if base == 0 { throw .notReserved }
        guard registers.isSegmented else {
            let last = registers.end & 0xf_ffff_ffff_e000
            if last == 0 { throw .noEnd }
            let end = last | 0x1fff
            do throws(ConfigurationError) { return try contiguous(base: base, end: end) } catch { throw .value(error) }
        }
        let table = base + bookkeepingBytes
        var stated: [RSTEntry] = []
        for index in 0..<min(max(entries, 0), RSTEntry.limit) {
            let value: UInt64
            do throws(MemoryError) {
                value = try memory.word(at: table + UInt64(index) * 8)
            } catch { throw .memory(error) }
            guard let entry = RSTEntry(index: index, rawValue: value) else {
                throw .rst(index: index, value: value, address: table)
            }
            if entry.gigabytes > 0 { stated.append(entry) }
        }
        if stated.isEmpty { throw .noSegments(address: table) }
        do throws(ConfigurationError) {
            return try segmented(base: base, shift: registers.shift, entries: stated)
        } catch { throw .value(error) }
    }
}

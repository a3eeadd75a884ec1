// SPDX-License-Identifier: Apache-2.0
// Where the machine's memory lies, and the range of regions that a pass walks over.

/// One piece of contiguous memory.
public struct MemorySpan: Sendable, Hashable {
    /// The first byte, a multiple of 2 MB.
    public var start: SPA
    /// The size in bytes, a multiple of 2 MB.
    public var bytes: UInt64
}

/// The memory of a machine: spans in ascending order that do not touch.
public struct MemoryMap: Sendable, Hashable {
    /// The sizes that a machine's memory can have, in bytes: 1 GB ... 64 TB (2^46 bytes, Linux's limit with four-level
    /// page tables).
    public static let sizeLimits: ClosedRange<UInt64> = (1 << 30)...(1 << 46)

    /// The spans.
    public let spans: [MemorySpan]

    /// One span of `bytes` from address 0.
    ///
    /// - Throws: `ConfigurationError.memory` when the size is outside `sizeLimits`, `.memoryGranularity` when it is not
    ///   a multiple of 2 MB.
    public init(bytes: UInt64) throws(ConfigurationError) {
        guard MemoryMap.sizeLimits.contains(bytes) else { throw .memory(bytes, limits: MemoryMap.sizeLimits) }
        guard bytes.isMultiple(of: Granularity.frame) else { throw .memoryGranularity(bytes) }
        spans = [MemorySpan(start: SPA(0), bytes: bytes)]
    }

    /// The sum of the spans, in bytes.
    public var bytes: UInt64 { spans.reduce(0) { $0 &+ $1.bytes } }

    /// The address after the last byte of memory.
    public var end: SPA { SPA(spans.last.map { $0.start.rawValue &+ $0.bytes } ?? 0) }

    /// The number of regions in [0, `end` aligned up to 1 GB): the range of a pass and of the RMP.
    ///
    /// Source: series v1 patch 4/6 (`ALIGN(max_pfn << 12, SZ_1G)`).
    public var regionCount: Int { Int(end.rawValue.alignedUp(to: Granularity.region) / Granularity.region) }
}

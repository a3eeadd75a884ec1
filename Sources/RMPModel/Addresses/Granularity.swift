// SPDX-License-Identifier: Apache-2.0
// The three sizes in which the RMP and RMPOPT count memory, and the arithmetic between them, kept in one place.

/// The units of memory of the RMP and of RMPOPT, in bytes and in terms of one another.
///
/// Source: APM vol 2 15.36.3 (4 KB and 2 MB RMP entries), RMPOPT series cover letters (1 GB regions).
public enum Granularity {
    /// Bytes in a page: one RMP entry covers 4 KB.
    public static let page: UInt64 = 1 << 12
    /// Bytes in a chunk: what a 2 MB RMP entry covers.
    public static let chunk: UInt64 = 1 << 21
    /// Bytes in a region: one bit of an RMPOPT table covers an aligned 1 GB.
    public static let region: UInt64 = 1 << 30
    /// Pages in a chunk: 512.
    public static let pagesPerChunk = 512
    /// Chunks in a region: 512.
    public static let chunksPerRegion = 512
    /// Pages in a region: 262,144.
    public static let pagesPerRegion = pagesPerChunk * chunksPerRegion
}

/// How much memory one RMP entry covers, as given by its page size bit.
///
/// Source: APM vol 2 15.36.3.
public enum PageSize: UInt8, Sendable, Hashable, CaseIterable {
    /// 4 KB, page size bit 0.
    case size4K = 0
    /// 2 MB, page size bit 1.
    case size2M = 1

    /// The size in bytes: 4,096 or 2,097,152.
    public var bytes: UInt64 { self == .size4K ? Granularity.page : Granularity.chunk }
}

extension UInt64 {
    /// Rounds up to a multiple of `unit`, a power of two; gives the largest multiple if there is none above.
    func alignedUp(to unit: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(unit &- 1)
        return (overflow ? UInt64.max : sum) & ~(unit &- 1)
    }

    /// Rounds down to a multiple of `unit`, a power of two.
    func alignedDown(to unit: UInt64) -> UInt64 { self & ~(unit &- 1) }

    /// The sum, or the largest value if the sum does not fit: due times must never wrap into the past.
    func addingClamped(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    /// The product, or the largest value if it does not fit.
    func multipliedClamped(by other: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? .max : product
    }
}

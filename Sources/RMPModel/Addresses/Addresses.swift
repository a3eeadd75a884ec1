// SPDX-License-Identifier: Apache-2.0
// System and guest physical addresses as types of their own: swapping the two is the classic RMP mistake.

/// What addresses and page numbers have in common. A number of bytes, or of pages, can be added to each.
public protocol PhysicalAddress: Sendable, Hashable, Comparable, ExpressibleByIntegerLiteral {
    /// The address in bytes, or the number of the page.
    var rawValue: UInt64 { get }
    /// An address, or a page, by its number.
    init(_ rawValue: UInt64)
}

extension PhysicalAddress {
    /// The address, or the page, as a literal: `0x1_0000_0000`.
    public init(integerLiteral value: UInt64) { self.init(value) }

    /// The address `bytes` bytes further on, or the page `bytes` pages further on; the largest number if the sum does
    /// not fit.
    public static func + (start: Self, bytes: UInt64) -> Self { Self(start.rawValue.addingClamped(bytes)) }

    /// Orders by number.
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension Range where Bound: PhysicalAddress {
    /// The range with the given numbers.
    public init(raw: Range<UInt64>) { self = Bound(raw.lowerBound)..<Bound(raw.upperBound) }

    /// The numbers of the range.
    public var raw: Range<UInt64> { lowerBound.rawValue..<upperBound.rawValue }
}

/// A system physical address: what RMPUPDATE, PSMASH, RMPREAD and RMPOPT take in RAX.
///
/// Any 64-bit value is a legal `SPA`; the instruction decides whether memory or an RMP entry is behind it.
public struct SPA: PhysicalAddress {
    /// The address in bytes.
    public var rawValue: UInt64

    /// An address of `rawValue` bytes from 0.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The first byte of a page frame.
    public init(_ pfn: PFN) { rawValue = pfn.rawValue << 12 }

    /// The page frame number: the address divided by 4 KB.
    public var pfn: PFN { PFN(rawValue >> 12) }

    /// The first byte of a region; 0 for a negative number.
    public init(region: Int) { rawValue = UInt64(max(region, 0)).multipliedClamped(by: Granularity.region) }

    /// The number of the region, the aligned 1 GB, that holds the address.
    public var region: Int { Int(truncatingIfNeeded: rawValue >> 30) }
}

/// A guest physical address: where a guest sees a page, according to its RMP entry.
///
/// An RMP entry holds bits 50:12 only (`RMPEntry`).
public struct GPA: PhysicalAddress {
    /// The address in bytes.
    public var rawValue: UInt64

    /// An address of `rawValue` bytes from 0.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

/// A system page frame number: an SPA divided by 4 KB, 0 ... 2^52 - 1.
public struct PFN: PhysicalAddress {
    /// The number.
    public var rawValue: UInt64

    /// Page frame `rawValue`.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }
}

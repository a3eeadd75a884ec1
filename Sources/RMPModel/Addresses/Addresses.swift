// SPDX-License-Identifier: Apache-2.0
// System and guest physical addresses as types of their own: swapping the two is the classic RMP mistake.

/// A system physical address: what RMPUPDATE, PSMASH, RMPREAD and RMPOPT take in RAX.
///
/// Any 64-bit value is a legal `SPA`; the instruction decides whether memory or an RMP entry is behind it.
public struct SPA: Sendable, Hashable, Comparable {
    /// The address in bytes.
    public var rawValue: UInt64

    /// An address of `rawValue` bytes from 0.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// The first byte of a page frame.
    public init(_ pfn: PFN) { rawValue = pfn.rawValue << 12 }

    /// The page frame number: the address divided by 4 KB.
    public var pfn: PFN { PFN(rawValue >> 12) }

    /// The number of the aligned 1 GB that holds the address.
    public var region: UInt64 { rawValue >> 30 }

    /// Orders by address.
    public static func < (left: SPA, right: SPA) -> Bool { left.rawValue < right.rawValue }
}

/// A guest physical address: where a guest sees a page, according to its RMP entry.
///
/// An RMP entry holds bits 50:12 only (`RMPEntry`).
public struct GPA: Sendable, Hashable, Comparable {
    /// The address in bytes.
    public var rawValue: UInt64

    /// An address of `rawValue` bytes from 0.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Orders by address.
    public static func < (left: GPA, right: GPA) -> Bool { left.rawValue < right.rawValue }
}

/// A system page frame number: an SPA divided by 4 KB, 0 ... 2^52 - 1.
public struct PFN: Sendable, Hashable, Comparable {
    /// The number.
    public var rawValue: UInt64

    /// Page frame `rawValue`.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Orders by number.
    public static func < (left: PFN, right: PFN) -> Bool { left.rawValue < right.rawValue }
}

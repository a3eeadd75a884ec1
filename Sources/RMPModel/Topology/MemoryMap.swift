// SPDX-License-Identifier: Apache-2.0
// Where the machine's memory is, to which node it belongs, and the range of regions that a pass covers.

/// A contiguous piece of memory of one node.
public struct MemorySpan: Sendable, Hashable {
    /// The first byte, a multiple of 2 MB.
    public var start: SPA
    /// The size in bytes, a multiple of 2 MB.
    public var bytes: UInt64
    /// The NUMA node of the memory.
    public var node: Int

    /// A span by its numbers; checked by ``MemoryMap/init(spans:nodeCount:)``.
    public init(start: SPA, bytes: UInt64, node: Int = 0) {
        self.start = start
        self.bytes = bytes
        self.node = node
    }

    /// The addresses, in bytes.
    public var range: Range<UInt64> { start.rawValue..<(start.rawValue &+ bytes) }
}

/// The memory of a machine: spans in ascending order that do not overlap. The gaps between them are holes, such as the
/// one below 4 GB for MMIO.
public struct MemoryMap: Sendable, Hashable {
    /// The sizes that a machine's memory can have, in bytes: 1 GB ... 64 TB (2^46 bytes, Linux's limit with four-level
    /// page tables). The end of the last span has the same upper limit.
    public static let sizeLimits: ClosedRange<UInt64> = (1 << 30)...(1 << 46)

    /// The spans.
    public let spans: [MemorySpan]

    /// One span of `bytes` from address 0, on node 0.
    ///
    /// - Throws: `ConfigurationError.memory` when the size is outside `sizeLimits`, `.memoryGranularity` when it is not
    ///   a multiple of 2 MB.
    public init(bytes: UInt64) throws(ConfigurationError) {
        guard MemoryMap.sizeLimits.contains(bytes) else { throw .memory(bytes, limits: MemoryMap.sizeLimits) }
        try self.init(spans: [MemorySpan(start: SPA(0), bytes: bytes)], nodeCount: 1)
    }

    /// Memory of several spans.
    ///
    /// - Parameters:
    ///   - spans: in ascending order, not overlapping, the first from address 0.
    ///   - nodeCount: nodes of the spans must be below it.
    /// - Throws: `ConfigurationError` naming the span and the rule.
    public init(spans: [MemorySpan], nodeCount: Int) throws(ConfigurationError) {
        var end: UInt64 = 0
        var sum: UInt64 = 0
        for span in spans {
            for value in [span.start.rawValue, span.bytes] where !value.isMultiple(of: Granularity.chunk) {
                throw .memoryGranularity(value)
            }
            guard span.bytes > 0, span.bytes <= MemoryMap.sizeLimits.upperBound,
                span.start.rawValue <= MemoryMap.sizeLimits.upperBound - span.bytes
            else { throw .memory(span.bytes, limits: MemoryMap.sizeLimits) }
            guard span.start.rawValue >= end else { throw .overlap(span.range, with: "the memory span before it") }
            guard 0..<nodeCount ~= span.node else {
                throw .number("node of a memory span", span.node, limits: 0...(nodeCount - 1))
            }
            end = span.range.upperBound
            sum += span.bytes
        }
        guard MemoryMap.sizeLimits.contains(sum) else { throw .memory(sum, limits: MemoryMap.sizeLimits) }
        self.spans = spans
    }

    /// The sum of the spans, in bytes.
    public var bytes: UInt64 { spans.reduce(0) { $0 &+ $1.bytes } }

    /// The address of the first byte of memory.
    public var start: SPA { spans.first?.start ?? SPA(0) }

    /// The address after the last byte of memory.
    public var end: SPA { SPA(spans.last?.range.upperBound ?? 0) }

    /// The number of regions in [0, `end` aligned up to 1 GB): the range of the RMP and of the tables.
    ///
    /// Source: series v1 patch 3/6 (`ALIGN(max_pfn << 12, SZ_1G)`).
    public var regionCount: Int { Int(end.rawValue.alignedUp(to: Granularity.region) / Granularity.region) }

    /// From the first byte of a node's memory to its last, including holes and other nodes' spans in between, as
    /// `node_start_pfn()` and `node_end_pfn()` give it; nil for a node without memory.
    public func range(ofNode node: Int) -> Range<UInt64>? {
        guard let first = spans.first(where: { $0.node == node }), let last = spans.last(where: { $0.node == node })
        else { return nil }
        return first.range.lowerBound..<last.range.upperBound
    }

    /// Whether all of the range is memory.
    public func contains(_ range: Range<UInt64>) -> Bool {
        var at = range.lowerBound
        for span in spans where span.range.contains(at) {
            at = span.range.upperBound
            if at >= range.upperBound { return true }
        }
        return range.isEmpty
    }

    /// The ranges between 0 and `end` aligned up to 1 GB that are not memory, ascending.
    var holes: [Range<UInt64>] {
        var holes: [Range<UInt64>] = []
        var at: UInt64 = 0
        for span in spans {
            if at < span.range.lowerBound { holes.append(at..<span.range.lowerBound) }
            at = span.range.upperBound
        }
        let end = end.rawValue.alignedUp(to: Granularity.region)
        if at < end { holes.append(at..<end) }
        return holes
    }

    /// The bytes of memory of a node in each region.
    func bytes(ofNode node: Int) -> [Int: UInt64] {
        var byRegion: [Int: UInt64] = [:]
        for span in spans where span.node == node {
            var at = span.range.lowerBound
            while at < span.range.upperBound {
                let next = min((at >> 30 + 1) << 30, span.range.upperBound)
                byRegion[Int(at >> 30), default: 0] += next - at
                at = next
            }
        }
        return byRegion
    }
}

// SPDX-License-Identifier: Apache-2.0
// How much memory is free and in which pieces: by node, since guests can be bound to one, with the largest piece, since
// fragments cost regions.

/// The free memory of a node.
public struct FreeMemory: Sendable, Hashable {
    /// The node.
    public let node: Int
    /// Free memory in bytes, in whole chunks of 2 MB.
    public internal(set) var bytes: UInt64
    /// The largest piece of it in bytes: free chunks whose addresses follow one another.
    public internal(set) var largestBlock: UInt64
}

extension Machine {
    /// The free memory of each node that has memory, ascending by node. ``freeMemory`` is its sum.
    ///
    /// A chunk with a page that is assigned, or leaked, is not free, nor is one that the page cache holds.
    public var freeMemoryByNode: [FreeMemory] {
        let allocator = guests.allocator
        return Set(allocator.spans.map(\.node)).sorted().map { node in
            var free = FreeMemory(node: node, bytes: 0, largestBlock: 0)
            var (end, block) = (-1, 0)
            // No run is longer than 64 chunks, so that a block can be many.
            allocator.forEachFreeRun(
                in: allocator.memory(ofNode: node),
                avoiding: platform.rmp.assignedChunks
            ) { run in
                block = run.first == end ? block + run.count : run.count
                end = run.first + run.count
                free.bytes += UInt64(run.count) * Granularity.chunk
                free.largestBlock = max(free.largestBlock, UInt64(block) * Granularity.chunk)
                return true
            }
            return free
        }
    }
}

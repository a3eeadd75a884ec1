// SPDX-License-Identifier: Apache-2.0
// An allocator for comparisons with the machine, whose control pages lie in the lowest free chunks whoever places the
// rest. It shows as well that an allocator can be written outside of the model.

import RMPModel

/// Another allocator, except for control pages.
struct LowestControls: PlacementPolicy {
    var other: any PlacementPolicy

    mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        guard request.use == .control else { return other.take(request, from: memory) }
        for range in memory.chunks(ofNode: request.node) {
            var lowest: Int?
            memory.forEachFreeRun(in: range) { run in
                lowest = run.lowerBound
                return false
            }
            if let lowest { return [PageRun(first: lowest << 9, count: 512)] }
        }
        return nil
    }

    mutating func release(_ run: PageRun, from use: MemoryUse, to memory: HostMemory) {
        if use != .control { other.release(run, from: use, to: memory) }
    }
}

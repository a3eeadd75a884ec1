// SPDX-License-Identifier: Apache-2.0
// The windows that Dave Hansen proposed instead of sockets: for each node the nearest possible 2 TB of memory.

/// For each node with CPUs, the window of 2 TB with the lowest average NUMA distance.
///
/// Source: Dave Hansen on series v1 2/6, 2026-02-18 ("lowest average distance", sliding by 1 GB). Choices where the
/// mail says nothing: windows begin in the memory's range and do not extend past its end unless they must; the average
/// is over bytes of memory, so holes do not count; of equal averages the window with more memory wins, then the lower
/// one.
enum DistanceWindows {
    static func plan(
        _ topology: Topology,
        _ memory: MemoryMap,
        _ distances: NUMADistances,
        cores: CoreSet
    ) -> [PlannedWindow] {
        let regions = memory.regionCount
        let nodesOfMemory = Set(memory.spans.map(\.node)).sorted().map { ($0, memory.bytes(ofNode: $0)) }
        var coresOfNode: [Int: CoreSet] = [:]
        for cpu in 0..<topology.cpuCount where cores.contains(topology.coreOfCPU[cpu]) {
            coresOfNode[topology.places[cpu].node, default: CoreSet(limit: topology.coreCount)]
                .insert(topology.coreOfCPU[cpu])
        }
        return coresOfNode.keys.sorted().map { node in
            // Bytes, and bytes times distance, below each region: a window's sum is a difference.
            var bytes = [UInt64](repeating: 0, count: regions + 1)
            var weighted = bytes
            for (other, byRegion) in nodesOfMemory {
                let distance = UInt64(distances.rows[node][other])
                for (region, size) in byRegion {
                    bytes[region + 1] += size >> 20
                    weighted[region + 1] += (size >> 20) * distance
                }
            }
            for region in 0..<regions {
                bytes[region + 1] += bytes[region]
                weighted[region + 1] += weighted[region]
            }
            let first = memory.start.region
            let last = max(first, regions - RMPOPTBase.windowRegions)
            var best = (base: first, bytes: UInt64(0), weighted: UInt64(0))
            for base in first...last {
                let end = min(base + RMPOPTBase.windowRegions, regions)
                let candidate = (base: base, bytes: bytes[end] - bytes[base], weighted: weighted[end] - weighted[base])
                if candidate.bytes == 0 { continue }
                // a/b < c/d without dividing: both sides fit, 2^26 MB times 254 times 2^26 MB.
                let left = candidate.weighted * best.bytes
                let right = best.weighted * candidate.bytes
                if best.bytes == 0 || left < right || left == right && candidate.bytes > best.bytes { best = candidate }
            }
            let cores = coresOfNode[node] ?? CoreSet(limit: topology.coreCount)
            return PlannedWindow(base: UInt64(best.base) << 30, cores: cores, node: node)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The memory of a machine file: sorts the spans, and finds the one that an error of the model is about.

import RMPModel

/// Builds the memory map of the key `memory`.
struct MemoryBuilder {
    let spans: [Record]

    func memory(_ topology: Topology) throws(Fault) -> MemoryMap {
        var built: [MemorySpan] = []
        var end: UInt64 = 0
        for record in spans {
            let span = MemorySpan(
                start: SPA(record.bytes("start") ?? end),
                bytes: record.bytes("size") ?? 0,
                node: record.integer("node") ?? 0
            )
            end = span.range.upperBound
            built.append(span)
        }
        do {
            return try MemoryMap(spans: built, nodeCount: topology.nodeCount)
        } catch {
            throw fault(error, built)
        }
    }

    /// The model identifies a span by its numbers: take the first one that has them.
    private func fault(_ error: ConfigurationError, _ built: [MemorySpan]) -> Fault {
        let place: (Int, key: String)? =
            switch error {
            case .overlap(let range, _): overlapping(range, built).map { ($0, "start") }
            case .memory(let bytes, _):
                built.firstIndex { $0.bytes == bytes && $0.range.upperBound > MemoryMap.sizeLimits.upperBound }
                    .map { ($0, "size") }
            case .number(_, let node, let limits):
                built.firstIndex { $0.node == node && !limits.contains(node) }.map { ($0, "node") }
            default: nil
            }
        if let place { return spans[place.0].fault(place.key, "\(error)") }
        return Fault(spans.first?.line, "memory", "\(error)")
    }

    private func overlapping(_ range: Range<UInt64>, _ built: [MemorySpan]) -> Int? {
        built.indices.dropFirst().first { index in
            built[index].range == range && built[index].start.rawValue < built[index - 1].range.upperBound
        }
    }
}

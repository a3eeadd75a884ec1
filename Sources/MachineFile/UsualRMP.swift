// SPDX-License-Identifier: Apache-2.0
// Where the RMP is when a machine file does not say: segments one after another from the usual address, skipping holes.

import RMPModel

/// Places the RMP of a machine whose file has no key `rmp`.
struct UsualRMP {
    let memory: MemoryMap
    let processor: Processor

    /// The layout; nil if the model's own fits, as it does where memory has no holes.
    func layout() throws(Fault) -> RMPLayout? {
        let usual = RMPLayout(regionCount: memory.regionCount)
        let fits = ([usual.head] + usual.segments.map(\.table)).allSatisfy { memory.contains($0) }
        if processor.segmentedRMP && fits && UInt64(shift) == RMPLayout.segmentShift { return nil }
        do {
            return try processor.segmentedRMP ? segmented() : contiguous()
        } catch let fault as Fault {
            throw fault
        } catch {
            throw Fault(nil, "memory", "\(error)")
        }
    }

    /// The usual segment size as a shift, or the nearest one that the processor supports.
    private var shift: UInt8 {
        let limits = max(processor.segmentShifts.lowerBound, 30)...max(processor.segmentShifts.upperBound, 30)
        return min(max(UInt8(clamping: RMPLayout.segmentShift), limits.lowerBound), min(limits.upperBound, 46))
    }

    private func segmented() throws -> RMPLayout {
        let size: UInt64 = 1 << UInt64(shift)
        let end = UInt64(memory.regionCount) * Granularity.region
        var entries: [RSTEntry] = []
        var cursor = RMPLayout.firstSegment
        for index in 0..<Int(clamping: (end + size - 1) / size) {
            let regions = (min(size, end - UInt64(index) * size) + Granularity.region - 1) / Granularity.region
            let base = try place(from: cursor, bytes: regions * RMPLayout.bytesPerRegion)
            entries.append(RSTEntry(index: index, base: base, gigabytes: Int(clamping: regions)))
            cursor = base + regions * RMPLayout.bytesPerRegion
        }
        return try .segmented(base: RMPLayout.base, shift: shift, entries: entries)
    }

    private func contiguous() throws -> RMPLayout {
        // 16 KB of bookkeeping before the table.
        let bytes = 0x4000 + UInt64(memory.regionCount) * RMPLayout.bytesPerRegion
        let base = try place(from: RMPLayout.base, bytes: bytes)
        return try .contiguous(base: base, end: base + bytes - 1)
    }

    /// The lowest place from `cursor` on with so much memory in one piece. Spans start at multiples of 2 MB, and sizes
    /// are multiples of 1 MB, so every place is a multiple of 1 MB, as the RST requires.
    private func place(from cursor: UInt64, bytes: UInt64) throws(Fault) -> UInt64 {
        let candidates = [cursor] + memory.spans.map(\.start.rawValue).filter { $0 > cursor }
        guard let base = candidates.first(where: { memory.contains($0..<($0 + bytes)) }) else {
            let start = "0x" + String(cursor, radix: 16)
            throw Fault(
                nil,
                "memory",
                "from \(start) on there are no \(Quantities.size(bytes)) in one piece for the RMP; "
                    + "give larger spans, or the key rmp"
            )
        }
        return base
    }
}

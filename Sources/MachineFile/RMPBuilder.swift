// SPDX-License-Identifier: Apache-2.0
// The location of a machine file's RMP, segmented or contiguous.

import RMPModel

/// Builds the layout of the key `rmp`.
struct RMPBuilder {
    let record: Record

    /// The layout. Does not check whether the kernel accepts it on this processor: if not, it boots without SNP, as on
    /// a real host.
    func layout() throws(Fault) -> RMPLayout {
        if let contiguous = record.record("contiguous") {
            for key in ["base", "segment_size", "segments"] where record.fields[key] != nil {
                throw record.fault(key, "an RMP is contiguous or has segments; keep one of the two")
            }
            let base = contiguous.bytes("base") ?? 0
            do {
                return try .contiguous(base: base, end: contiguous.bytes("end") ?? 0)
            } catch {
                throw contiguous.fault(Self.isAbout(base, error) ? "base" : "end", "\(error)")
            }
        }
        guard let segments = record.records("segments") else {
            throw record.fault("segments", "the key is missing; give the segments, or contiguous in their stead")
        }
        let size = record.bytes("segment_size") ?? 1 << RMPLayout.segmentShift
        guard size.nonzeroBitCount == 1 else {
            throw record.fault("segment_size", "\(Quantities.size(size)); give a power of two, such as 128G")
        }
        return try segmented(segments, shift: UInt8(clamping: size.trailingZeroBitCount))
    }

    private static func isAbout(_ address: UInt64, _ error: ConfigurationError) -> Bool {
        if case .address(_, address, _) = error { true } else { false }
    }

    private func segmented(_ segments: [Record], shift: UInt8) throws(Fault) -> RMPLayout {
        let base = record.bytes("base") ?? RMPLayout.base
        let entries = segments.map { segment in
            RSTEntry(
                index: segment.integer("index") ?? 0,
                base: segment.bytes("base") ?? 0,
                gigabytes: Int(clamping: (segment.bytes("covers") ?? 0) / Granularity.region)
            )
        }
        var seen: Set<Int> = []
        for (entry, segment) in zip(entries, segments) where !seen.insert(entry.index).inserted {
            throw segment.fault("index", "segment \(entry.index) is there already; give each index once")
        }
        do {
            return try .segmented(base: base, shift: shift, entries: entries)
        } catch {
            if Self.isAbout(base, error) { throw record.fault("base", "\(error)") }
            // The model does not name the entry: it is the last one of the shortest prefix that is refused.
            for count in 1...max(entries.count, 1) {
                do {
                    _ = try RMPLayout.segmented(base: base, shift: shift, entries: Array(entries.prefix(count)))
                } catch {
                    throw segments.prefix(count).last?.fault("\(error)") ?? record.fault("\(error)")
                }
            }
            throw record.fault("\(error)")
        }
    }
}

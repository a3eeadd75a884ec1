// SPDX-License-Identifier: Apache-2.0
// Gives a host's RMP, read from memory, to a simulated machine.

public import RMPModel

/// Why an RMP could not be given to a machine.
public enum ImageAdoptionError: Error, Sendable {
    /// It could not be read.
    case memory(MemoryError)
    /// The machine cannot hold it.
    case machine(AdoptionError)
}

extension ScannedRMP {
    /// Gives all entries to an adoption. Those beyond the machine's memory are counted there and dropped.
    ///
    /// - Throws: if the memory cannot be read, or for the first entry that the machine cannot hold. The adoption is
    ///   then of no use.
    public func give(
        to adoption: inout RMPAdoption,
        from memory: any PhysicalMemory
    ) throws(ImageAdoptionError) {
        let buffer = ScanBuffer(count: Int(RMPLayout.bytesPerRegion))
        for segment in layout.segments.sorted(by: { $0.covered.lowerBound < $1.covered.lowerBound }) {
            var entries = segment.table.lowerBound
            let first = segment.covered.lowerBound / Granularity.chunk
            while entries < segment.table.upperBound {
                // Holes are chunks that nobody has touched.
                guard let data = memory.nextData(from: entries), data < segment.table.upperBound else { break }
                let skipped = (max(data, entries) - segment.table.lowerBound) / UInt64(ChunkEntries.bytes)
                let start = segment.table.lowerBound + skipped * UInt64(ChunkEntries.bytes)
                let end = min(start + RMPLayout.bytesPerRegion, segment.table.upperBound)
                var failure: AdoptionError?
                do throws(MemoryError) {
                    try memory.withBytes(of: start..<end, buffer: buffer) { bytes in
                        let words = bytes.bindMemory(to: UInt64.self)
                        for chunk in 0..<bytes.count / ChunkEntries.bytes where failure == nil {
                            let size = 2 * ChunkEntries.count
                            let part = UnsafeBufferPointer(rebasing: words[chunk * size..<(chunk + 1) * size])
                            do throws(AdoptionError) {
                                try adoption.add(Int(truncatingIfNeeded: first + skipped) + chunk, part)
                            } catch {
                                failure = error
                            }
                        }
                    }
                } catch {
                    throw .memory(error)
                }
                if let failure { throw .machine(failure) }
                entries = end
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// How much work a command is, known before it runs: for callers that make others wait while it runs.

extension Machine {
    /// About how many chunks of 2 MB a command visits; 0 for one whose work does not grow with any size. A chunk whose
    /// pages are visited one by one counts as many, and so does other work that takes as long.
    public func effort(of command: Command) -> Int {
        switch command {
        case .startGuest(let id):
            guard let guest = guests[id], guest.state == .stopped || guest.state == .created else { return 0 }
            // Where the page cache makes room, its chunks are looked at one by one.
            return guest.chunkCount + Int(pageCache / Granularity.chunk) / 16
        case .convert(let id, let gpa, _), .validate(let id, let gpa, _):
            guard let guest = guests[id], guest.state == .running else { return 0 }
            // The chunks before the first one are skipped run by run.
            return effort(ofBytes: gpa.raw.clamped(to: 0..<guest.memoryBytes)) + guest.chunks.count / 64
        case .leak(let pages):
            let bytes = pages.raw.clamped(to: 0..<configuration.memory.end.pfn.rawValue)
            return effort(ofBytes: bytes.lowerBound << 12..<bytes.upperBound << 12)
        case .initializeFirmware, .shutDownFirmware, .kexec:
            return regionCount + regionCount * wordsPerRow / 256 + platform.rmp.mixedChunkCount
        case .stopGuest(let id), .removeGuest(let id):
            // Only an ordinary guest gives its memory back at once.
            guard let guest = guests[id], guest.type == .ordinary else { return 0 }
            return guest.chunks.count
        case .setHostMemory(let bytes), .setPageCache(let bytes):
            // The page cache is looked at chunk by chunk where it makes room.
            return Int((min(bytes, configuration.memory.bytes) + pageCache) / Granularity.chunk)
        default: return 0
        }
    }

    private func effort(ofBytes bytes: Range<UInt64>) -> Int {
        let chunks = ChunkAllocator.chunks(bytes).count
        return chunks + min(chunks, platform.rmp.mixedChunkCount) * Guests.pageByPageEffort
    }
}

extension Guests {
    /// How many chunks handled in one step take as long as one whose pages are visited one by one: 100 ns each against
    /// 20 to 70 ns a page.
    static let pageByPageEffort = 128
}

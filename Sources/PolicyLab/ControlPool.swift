// SPDX-License-Identifier: Apache-2.0
// Single pages for SNP guests (context, response, VMSAs): they share chunks, as in the machine.

import RMPModel

/// Control pages, from chunks of their own.
struct ControlPool: Sendable {
    /// Chunks in use for such pages, ascending, with a bit for each page taken.
    private var chunks: [(chunk: Int, taken: [UInt64])] = []

    /// The lowest free page of a chunk of the pool; a VMSA is never aligned to 2 MB.
    private mutating func takePage(isVMSA: Bool) -> Int? {
        for slot in chunks.indices {
            for word in 0..<8 {
                var free = ~chunks[slot].taken[word]
                if isVMSA && word == 0 { free &= ~1 }
                if free == 0 { continue }
                let index = word * 64 + free.trailingZeroBitCount
                chunks[slot].taken[word] |= 1 << UInt64(index & 63)
                return chunks[slot].chunk * Pages.perChunk + index
            }
        }
        return nil
    }

    /// Takes a guest's pages: context, response and a VMSA for each vCPU; all or nothing.
    mutating func take(vcpus: Int, newChunk: () -> Int?, freed: (Int) -> Void) -> [Int]? {
        var pages: [Int] = []
        for number in 0..<(2 + vcpus) {
            if let page = takePage(isVMSA: number >= 2) {
                pages.append(page)
                continue
            }
            guard let chunk = newChunk() else {
                for page in pages { if let chunk = release(page) { freed(chunk) } }
                return nil
            }
            let slot = chunks.firstIndex { $0.chunk > chunk } ?? chunks.count
            chunks.insert((chunk, [UInt64](repeating: 0, count: 8)), at: slot)
            if let page = takePage(isVMSA: number >= 2) { pages.append(page) }
        }
        return pages
    }

    /// Frees a page.
    ///
    /// - Returns: its chunk if that is not needed any more.
    mutating func release(_ page: Int) -> Int? {
        guard let slot = chunks.firstIndex(where: { $0.chunk == page >> 9 }) else { return nil }
        chunks[slot].taken[(page & 511) >> 6] &= ~(1 << UInt64(page & 63))
        if chunks[slot].taken.contains(where: { $0 != 0 }) { return nil }
        return chunks.remove(at: slot).chunk
    }
}

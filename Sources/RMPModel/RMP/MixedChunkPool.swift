// SPDX-License-Identifier: Apache-2.0
// Where mixed chunks live: numbered, so that a chunk's word can name one, and reused, so that a page that is assigned
// and freed over and over does not allocate each time.

/// The mixed chunks of an RMP.
struct MixedChunkPool: Sendable {
    private var chunks: [MixedChunk] = []
    private var free: [Int] = []
    /// How many free numbers may keep their storage; beyond that, it is freed.
    private static let spareLimit = 256

    /// The number of mixed chunks in use.
    var count: Int { chunks.count - free.count }

    subscript(number: Int) -> MixedChunk {
        _read { yield chunks[number] }
        _modify { yield &chunks[number] }
    }

    /// A new mixed chunk: page `index` holds `value`, all others `rest`.
    mutating func make(rest: EntryWord, value: EntryWord, at index: Int) -> Int {
        guard let number = free.popLast() else {
            chunks.append(MixedChunk(rest: rest, value: value, at: index))
            return chunks.count - 1
        }
        if chunks[number].isReusable {
            chunks[number].reset(rest: rest, value: value, at: index)
        } else {
            chunks[number] = MixedChunk(rest: rest, value: value, at: index)
        }
        return number
    }

    /// Frees a number.
    mutating func drop(_ number: Int) {
        if free.count >= MixedChunkPool.spareLimit || !chunks[number].isReusable { chunks[number] = MixedChunk() }
        free.append(number)
        // The last chunk frees the list of numbers, too: a large host can have had many millions.
        if count == 0 && chunks.count > 4 * MixedChunkPool.spareLimit { (chunks, free) = ([], []) }
    }
}

// SPDX-License-Identifier: Apache-2.0
// A 2 MB chunk whose 512 entries differ. Most such chunks hold few kinds of entry, so a byte per page and a small
// palette are enough: 0.6 KB instead of 4 KB.

/// The 512 entries of a chunk, each held as `EntryWord` with its GPA moved back by its page's index: consecutive GPAs
/// then share one value.
///
/// Both forms are one array, so that a chunk costs one allocation:
///
///     palette form: header, slots 0 ... 2, 64 words of 512 one-byte slot numbers, up to 125 further slots
///     packed form:  for more values than that, see ``ChunkPacking``
///
/// The first slots are next to the header, and the slot numbers at a fixed place: most updates need just two adjacent
/// cache lines.
///
/// A slot holds a value, and in the spare bits 11:3 the number of pages that use it (1 ... 511); 0 is a free slot. The
/// header holds the number of assigned pages in bits 9:0. In the packed form it also holds the packing, bit 63, and in
/// bits 41:32 the number of pages whose value equals the next page's, which shows at once when to return to the
/// palette.
struct MixedChunk: Sendable {
    /// Only the two forms write these.
    var words: [UInt64]

    private static let firstSlots = 3
    private static let indexStart = 1 + firstSlots
    private static let indexWords = 64
    /// Slots of the largest palette: 1.6 KB. Beyond that, the packed form is no larger.
    static let paletteSlots = 128
    static let packedMark: UInt64 = 1 << 63
    private static let useUnit: UInt64 = 1 << 3

    /// A chunk whose page `index` holds `value` and whose other pages hold `rest`.
    init(rest: EntryWord, value: EntryWord, at index: Int) {
        words = [UInt64](repeating: 0, count: MixedChunk.indexStart + MixedChunk.indexWords)
        reset(rest: rest, value: value, at: index)
    }

    /// No storage at all: the state of a chunk that is not in use.
    init() { words = [] }

    /// Whether `reset` can reuse the storage.
    var isReusable: Bool { !words.isEmpty && !isPacked && words.count <= 1 + 48 + MixedChunk.indexWords }

    var isPacked: Bool { words[0] & MixedChunk.packedMark != 0 }

    private var slotCount: Int { words.count - 1 - MixedChunk.indexWords }

    /// Where a slot lies.
    private static func place(_ slot: Int) -> Int { slot < firstSlots ? 1 + slot : 1 + indexWords + slot }

    /// The number of assigned pages, 0 ... 512.
    var assignedPages: Int { Int(words[0] & 0x3ff) }

    mutating func reset(rest: EntryWord, value: EntryWord, at index: Int) {
        for word in 0..<words.count { words[word] = 0 }
        words[0] = UInt64((rest.isAssigned ? 511 : 0) + (value.isAssigned ? 1 : 0))
        words[MixedChunk.place(0)] = rest.bits | 511 * MixedChunk.useUnit
        words[MixedChunk.place(1)] = value.bits | MixedChunk.useUnit
        words[MixedChunk.indexStart + index >> 3] = 1 << UInt64((index & 7) * 8)
    }

    /// The value of page `index` (0 ... 511), GPA moved back.
    func value(at index: Int) -> EntryWord {
        if isPacked { return packedValue(at: index, ChunkPacking(header: words[0])) }
        return EntryWord(bits: words[MixedChunk.place(slot(of: index))] & ~EntryWord.spareMask)
    }

    private func slot(of index: Int) -> Int {
        Int(truncatingIfNeeded: words[MixedChunk.indexStart + index >> 3] >> UInt64((index & 7) * 8) & 0xff)
    }

    /// Gives page `index` a value.
    ///
    /// - Returns: the value that all 512 pages now share, if they do; the caller then drops the chunk.
    mutating func replace(_ index: Int, with value: EntryWord) -> EntryWord? {
        if isPacked { return replacePacked(index, with: value) }
        let old = slot(of: index)
        let oldWord = words[MixedChunk.place(old)]
        if oldWord & ~EntryWord.spareMask == value.bits { return nil }
        guard let new = slot(for: value, near: index) else {
            pack(index, with: value)
            return nil
        }
        noteAssigned(from: EntryWord(bits: oldWord), to: value)
        let left = oldWord &- MixedChunk.useUnit
        words[MixedChunk.place(old)] = left & EntryWord.spareMask == 0 ? 0 : left
        let uses = words[MixedChunk.place(new)] & EntryWord.spareMask
        if uses == EntryWord.spareMask { return value }
        words[MixedChunk.place(new)] = value.bits | (uses + MixedChunk.useUnit)
        let shift = UInt64((index & 7) * 8)
        let place = MixedChunk.indexStart + index >> 3
        words[place] = words[place] & ~(0xff << shift) | UInt64(new) << shift
        return nil
    }

    mutating func noteAssigned(from old: EntryWord, to new: EntryWord) {
        words[0] = words[0] &+ (new.bits & EntryWord.assignedBit) &- (old.bits & EntryWord.assignedBit)
    }

    /// The slot that holds `value`, or a free one; nil if `paletteSlots` others are in use.
    ///
    /// It tries the slot of the page before first: runs of updates walk upwards.
    private mutating func slot(for value: EntryWord, near index: Int) -> Int? {
        let near = slot(of: max(index - 1, 0))
        let nearWord = words[MixedChunk.place(near)]
        if nearWord & ~EntryWord.spareMask == value.bits && nearWord & EntryWord.spareMask != 0 { return near }
        var free: Int?
        let count = slotCount
        for slot in 0..<count {
            let word = words[MixedChunk.place(slot)]
            if word & EntryWord.spareMask == 0 {
                if free == nil { free = slot }
            } else if word & ~EntryWord.spareMask == value.bits {
                return slot
            }
        }
        if let free { return free }
        if count >= MixedChunk.paletteSlots { return nil }
        let more = min(count, MixedChunk.paletteSlots - count)
        // Appending would double the capacity.
        var larger: [UInt64] = []
        larger.reserveCapacity(words.count + more)
        larger.append(contentsOf: words)
        larger.append(contentsOf: repeatElement(0, count: more))
        words = larger
        return count
    }
}

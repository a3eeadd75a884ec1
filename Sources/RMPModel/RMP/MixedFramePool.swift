// SPDX-License-Identifier: Apache-2.0
// Where mixed frames live: numbered, so that a frame's word can name one, and reused, so that a page that is assigned
// and freed over and over does not allocate each time.

/// The mixed frames of an RMP.
struct MixedFramePool: Sendable {
    private var frames: [MixedFrame] = []
    private var free: [Int] = []
    /// How many free numbers may keep their storage; beyond that, it is freed.
    private static let spareLimit = 256

    /// The number of mixed frames in use.
    var count: Int { frames.count - free.count }

    subscript(number: Int) -> MixedFrame {
        _read { yield frames[number] }
        _modify { yield &frames[number] }
    }

    /// A new mixed frame: page `index` holds `value`, all others `rest`.
    mutating func make(rest: EntryWord, value: EntryWord, at index: Int) -> Int {
        guard let number = free.popLast() else {
            frames.append(MixedFrame(rest: rest, value: value, at: index))
            return frames.count - 1
        }
        if frames[number].isReusable {
            frames[number].reset(rest: rest, value: value, at: index)
        } else {
            frames[number] = MixedFrame(rest: rest, value: value, at: index)
        }
        return number
    }

    /// Frees a number.
    mutating func drop(_ number: Int) {
        if free.count >= MixedFramePool.spareLimit || !frames[number].isReusable { frames[number] = MixedFrame() }
        free.append(number)
        // The last frame frees the list of numbers, too: a large host can have had many millions.
        if count == 0 && frames.count > 4 * MixedFramePool.spareLimit { (frames, free) = ([], []) }
    }
}

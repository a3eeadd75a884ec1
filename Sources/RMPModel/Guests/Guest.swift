// SPDX-License-Identifier: Apache-2.0
// What is known of one guest.

/// A guest's number: given at creation, never used again.
public struct GuestID: Sendable, Hashable, Comparable {
    /// The number, from 1.
    public let rawValue: UInt64

    /// Guest number `rawValue`.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Orders by creation.
    public static func < (left: GuestID, right: GuestID) -> Bool { left.rawValue < right.rawValue }
}

/// Where a guest is in its life.
public enum GuestState: Sendable, Hashable, CaseIterable {
    /// No page of it is in the RMP.
    case stopped
    /// Launched: all its memory is private.
    case running
    /// Decommissioned; its pages are going back to the hypervisor.
    case ending
}

/// A guest as others see it.
public struct GuestInfo: Sendable, Hashable {
    /// The guest's number.
    public let id: GuestID
    /// Its name, 1 ... 255 bytes without NUL and `/`.
    public let name: [UInt8]
    /// Its memory in bytes, a multiple of 4096; 0 until it is set.
    public let memoryBytes: UInt64
    /// The largest RMP entry that backs it.
    public let pageSize: PageSize
    /// Where it is in its life.
    public let state: GuestState
    /// Its ASID, 1 ... 1006, while it is running or ending.
    public let asid: UInt16?
}

/// A guest as the model keeps it.
struct Guest: Sendable {
    let id: GuestID
    let name: [UInt8]
    var memoryBytes: UInt64 = 0
    var pageSize = PageSize.size2M
    var state = GuestState.stopped
    var asid: UInt16?
    /// Whether the guest was removed while its pages still go back: its name is free, nobody sees it.
    var isRemoved = false
    var contextPage: PFN?
    /// The frames of its memory in the order of its guest physical addresses; the last may be used in part.
    var frames: [FrameRun] = []
    var teardown = Teardown()

    /// Pages of memory.
    var pages: UInt64 { memoryBytes / Granularity.page }
    /// Frames of memory, the last perhaps in part.
    var frameCount: Int { Int(truncatingIfNeeded: memoryBytes.alignedUp(to: Granularity.frame) / Granularity.frame) }

    /// How many pages of the guest's frame number `index` are its memory: 512, or fewer in the last.
    func pages(inFrame index: Int) -> Int {
        let left = pages - min(pages, UInt64(index) * UInt64(Granularity.pagesPerFrame))
        return Int(min(left, UInt64(Granularity.pagesPerFrame)))
    }

    var info: GuestInfo {
        GuestInfo(id: id, name: name, memoryBytes: memoryBytes, pageSize: pageSize, state: state, asid: asid)
    }
}

/// How far the pages of an ending guest have gone back.
struct Teardown: Sendable {
    /// The run of frames at work, and the frame within it.
    var run = 0
    var offset = 0
    /// Frames done.
    var done = 0
    /// When the frame at work will be done.
    var due: UInt64 = 0
}

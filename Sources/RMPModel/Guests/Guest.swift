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
    /// There is no VM of it.
    case stopped
    /// A VM with an ASID, of which nothing is launched: no page of it is in the RMP.
    case created
    /// Launched: all its memory was made private, and what it converted since is shared.
    case running
    /// Decommissioned; its pages are going back to the hypervisor.
    case ending
}

/// What a host does for guests, counted, and how long the processor and firmware need for it.
public struct GuestWork: Sendable, Hashable {
    /// RMPUPDATE executed with success.
    public var updates = 0
    /// PSMASH executed with success.
    public var smashes = 0
    /// Pages measured by firmware: SNP_LAUNCH_UPDATE.
    public var measured = 0
    /// PVALIDATE executed with success by the guest.
    public var validations = 0
    /// The sum of durations in ns, from the cost model.
    public var duration: UInt64 = 0

    /// No work.
    public init() {}

    mutating func add(_ count: Int, of part: WritableKeyPath<GuestWork, Int>, taking each: UInt64) {
        self[keyPath: part] += count
        duration = duration.addingClamped(each.multipliedClamped(by: UInt64(truncatingIfNeeded: count)))
    }
}

/// A guest as others see it.
public struct GuestInfo: Sendable, Hashable {
    /// The guest's number.
    public let id: GuestID
    /// Its name, 1 ... 255 bytes without NUL and `/`.
    public let name: [UInt8]
    /// Its memory in bytes, a multiple of 4096; 0 until it is set.
    public let memoryBytes: UInt64
    /// The folios behind its memory.
    public let backing: Backing
    /// The largest RMP entry that backs it.
    public var pageSize: PageSize { backing.pageSize }
    /// How its memory is chosen.
    public let placement: Placement
    /// The node that its memory has to come from; nil for any.
    public let node: Int?
    /// Its vCPUs, 1 ... 4096, each with a VMSA page.
    public let vcpus: Int
    /// Where it is in its life.
    public let state: GuestState
    /// Its ASID while there is a VM of it.
    public let asid: UInt16?
    /// What its last launch was in work; nothing before the first.
    public let launchWork: GuestWork
}

/// A guest as the model keeps it.
struct Guest: Sendable {
    /// How many guest_memfd inodes hold the memory, each an equal part of it: the logs of 2026-03-11 show two scans for
    /// each termination, one an inode freed. That the parts are equal is a choice.
    static let inodeCount = 2
    /// KVM_MAX_VCPUS of Linux for x86.
    static let vcpuLimits = 1...4096
    /// How much of a guest's memory, from its first page on, is its measured initial image, in bytes. A choice: what a
    /// firmware volume, a kernel and an initrd take together.
    static let initialImage: UInt64 = 16 << 20

    let id: GuestID
    let name: [UInt8]
    var memoryBytes: UInt64 = 0
    var backing = Backing.size2M
    var placement = Placement.packed
    var node: Int?
    var vcpus = 1
    var state = GuestState.stopped
    var asid: UInt16?
    /// Whether firmware has not let go of the ASID: its decommission failed.
    var keepsASID = false
    /// Whether the guest was removed while its pages still go back: its name is free, nobody sees it.
    var isRemoved = false
    /// In Context state.
    var contextPage: PFN?
    /// In Firmware state: where firmware writes its answers to guest requests.
    var responsePage: PFN?
    var vmsaPages: [PFN] = []
    /// The frames of its memory in the order of its guest physical addresses; the last may be used in part.
    var frames: [FrameRun] = []
    var teardown = Teardown()
    var launchWork = GuestWork()

    /// Pages of memory.
    var pages: UInt64 { memoryBytes / Granularity.page }
    /// Frames of memory, the last perhaps in part.
    var frameCount: Int { Int(truncatingIfNeeded: memoryBytes.alignedUp(to: Granularity.frame) / Granularity.frame) }
    /// The frames that hold the initial image.
    var imageFrames: Int { min(frameCount, Int(Guest.initialImage / Granularity.frame)) }
    /// All pages beside the memory.
    var controlPages: [PFN] { [contextPage, responsePage].compactMap { $0 } + vmsaPages }

    /// How many pages of the guest's frame number `index` are its memory: 512, or fewer in the last.
    func pages(inFrame index: Int) -> Int {
        let left = pages - min(pages, UInt64(index) * UInt64(Granularity.pagesPerFrame))
        return Int(min(left, UInt64(Granularity.pagesPerFrame)))
    }

    /// Calls `body` with each frame that the guest still holds and its number in the guest's memory, until it answers
    /// false.
    func forEachFrame(from first: Int = 0, _ body: (_ number: Int, _ frame: Int) -> Bool) {
        var number = 0
        let start = max(first, teardown.done)
        for run in frames {
            let skipped = min(run.count, max(0, start - number))
            for offset in skipped..<run.count where !body(number + offset, run.first + offset) { return }
            number += run.count
        }
    }

    /// How many inodes have given all their pages back when `done` frames have gone.
    func inodesFreed(after done: Int) -> Int {
        (1...Guest.inodeCount).count { done * Guest.inodeCount >= frameCount * $0 }
    }

    /// How many frames have gone back when the next inode has given all its pages back, `done` frames having gone.
    func nextInodeFreed(after done: Int) -> Int {
        (1...Guest.inodeCount).map { (frameCount * $0 + Guest.inodeCount - 1) / Guest.inodeCount }.first { $0 > done }
            ?? frameCount
    }

    var info: GuestInfo {
        GuestInfo(
            id: id,
            name: name,
            memoryBytes: memoryBytes,
            backing: backing,
            placement: placement,
            node: node,
            vcpus: vcpus,
            state: state,
            asid: asid,
            launchWork: launchWork
        )
    }
}

/// How far the pages of an ending guest have gone back.
struct Teardown: Sendable, Hashable {
    /// The run of frames at work, and the frame within it.
    var run = 0
    var offset = 0
    /// Frames done.
    var done = 0
    /// When the frame at work will be done.
    var due: UInt64 = 0
}

/// What a step of a teardown came to.
struct TeardownProgress: Sendable, Hashable {
    /// When the last frame of the step was done.
    var last: UInt64 = 0
    /// When the next one will be; nil when the guest has ended.
    var next: UInt64?
    /// How many guest_memfd inodes were freed at `last`: a step ends with each. The triggers of series v2.
    var inodesFreed = 0
    /// Whether the guest is stopped now.
    var ended: Bool { next == nil }
}

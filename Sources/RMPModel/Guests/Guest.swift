// SPDX-License-Identifier: Apache-2.0
// What is known about one guest.

/// A guest's number: given at creation and never reused.
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
    /// It has no VM.
    case stopped
    /// It has a VM, with an ASID if it is an SNP guest, but is not launched: it has no memory.
    case created
    /// Launched. All memory of an SNP guest was made private; what it has converted since is shared.
    case running
    /// Decommissioned; its pages are going back to the hypervisor. An ordinary guest has none and is stopped at once.
    case ending
}

/// Counts of what a host does for guests, and how long the processor and firmware need for it.
public struct GuestWork: Sendable, Hashable {
    /// Successful RMPUPDATEs.
    public var updates = 0
    /// Successful PSMASHes.
    public var smashes = 0
    /// Pages measured by firmware: SNP_LAUNCH_UPDATE.
    public var measured = 0
    /// Successful PVALIDATEs by the guest.
    public var validations = 0
    /// The sum of durations in ns, from the cost model.
    package var nanoseconds: UInt64 = 0
    /// How long all of it takes, from the cost model.
    public var duration: Duration { .nanoseconds(nanoseconds) }

    /// No work.
    public init() {}

    mutating func add(_ count: Int, of part: WritableKeyPath<GuestWork, Int>, taking each: UInt64) {
        self[keyPath: part] += count
        nanoseconds = nanoseconds.addingClamped(each.multipliedClamped(by: UInt64(truncatingIfNeeded: count)))
    }
}

/// A guest as others see it.
public struct GuestInfo: Sendable, Hashable {
    /// The guest's number.
    public let id: GuestID
    /// Its name.
    public let name: GuestName
    /// An SNP guest or an ordinary one.
    public let type: GuestType
    /// Its memory in bytes, a multiple of 4096; 0 until it is set.
    public let memoryBytes: UInt64
    /// The folios behind its memory.
    public let backing: Backing
    /// The largest RMP entry that backs it.
    public var pageSize: PageSize { backing.pageSize }
    /// How its memory is chosen.
    public let placement: Placement
    /// The node that its memory must come from; nil for any.
    public let node: Int?
    /// Its vCPUs, 1 ... 4096; each of an SNP guest has a VMSA page.
    public let vcpus: Int
    /// Where it is in its life.
    public let state: GuestState
    /// Its ASID while it has a VM; an ordinary guest has none.
    public let asid: UInt16?
    /// The work of its last launch; all 0 before the first.
    public let launchWork: GuestWork
}

/// A guest as the model keeps it.
struct Guest: Sendable {
    /// How many guest_memfd inodes hold the memory, each an equal part of it: the logs of 2026-03-11 show two scans for
    /// each termination, one per inode freed. That the parts are equal is a choice.
    static let inodeCount = 2
    /// KVM_MAX_VCPUS of Linux for x86.
    static let vcpuLimits = 1...4096
    /// How much of a guest's memory, from its first page on, is its measured initial image, in bytes. A choice: about
    /// the size of a firmware volume, a kernel and an initrd.
    static let initialImage: UInt64 = 16 << 20

    let id: GuestID
    let name: GuestName
    var type = GuestType.snp
    var memoryBytes: UInt64 = 0
    var backing = Backing.size2M
    var placement = Placement.packed
    var node: Int?
    var vcpus = 1
    var state = GuestState.stopped
    var asid: UInt16?
    /// Whether firmware has not released the ASID: its decommission failed.
    var keepsASID = false
    /// Whether the guest was removed while its pages are still going back: its name is free, and nobody sees it.
    var isRemoved = false
    /// In Context state.
    var contextPage: PFN?
    /// Whether it ran on another host, whose RMP does not show everything that a launch would.
    var isAdopted = false
    /// In Firmware state: firmware writes its responses to guest requests there.
    var responsePage: PFN?
    var vmsaPages: [PFN] = []
    /// The chunks of its memory in the order of its guest physical addresses; the last may be partly used.
    var chunks: [ChunkRun] = []
    var teardown = Teardown()
    var launchWork = GuestWork()

    /// Pages of memory.
    var pages: UInt64 { memoryBytes / Granularity.page }
    /// Chunks of memory; the last may be partly used.
    var chunkCount: Int { Int(truncatingIfNeeded: memoryBytes.alignedUp(to: Granularity.chunk) / Granularity.chunk) }
    /// The chunks that hold the initial image.
    var imageChunks: Int { min(chunkCount, Int(Guest.initialImage / Granularity.chunk)) }
    /// All pages besides the memory.
    var controlPages: [PFN] { [contextPage, responsePage].compactMap { $0 } + vmsaPages }

    /// How many pages of the guest's chunk number `index` are its memory: 512, or fewer in the last.
    func pages(inChunk index: Int) -> Int {
        let left = pages - min(pages, UInt64(index) * UInt64(Granularity.pagesPerChunk))
        return Int(min(left, UInt64(Granularity.pagesPerChunk)))
    }

    /// Calls `body` with each chunk that the guest still holds and its number in the guest's memory, until it returns
    /// false.
    func forEachChunk(from first: Int = 0, _ body: (_ number: Int, _ chunk: Int) -> Bool) {
        var number = 0
        let start = max(first, teardown.done)
        for run in chunks {
            let skipped = min(run.count, max(0, start - number))
            for offset in skipped..<run.count where !body(number + offset, run.first + offset) { return }
            number += run.count
        }
    }

    /// How many inodes have given back all their pages once `done` chunks are back.
    func inodesFreed(after done: Int) -> Int {
        (1...Guest.inodeCount).count { done * Guest.inodeCount >= chunkCount * $0 }
    }

    /// How many chunks are back once the next inode has given back all its pages, given that `done` chunks are back.
    func nextInodeFreed(after done: Int) -> Int {
        (1...Guest.inodeCount).map { (chunkCount * $0 + Guest.inodeCount - 1) / Guest.inodeCount }.first { $0 > done }
            ?? chunkCount
    }

    var info: GuestInfo {
        GuestInfo(
            id: id,
            name: name,
            type: type,
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

/// How many pages of an ending guest have gone back.
struct Teardown: Sendable, Hashable {
    /// The run of chunks in progress, and the chunk within it.
    var run = 0
    var offset = 0
    /// Chunks done.
    var done = 0
    /// When the chunk in progress will be done.
    var due: UInt64 = 0
}

/// The result of a teardown step.
struct TeardownProgress: Sendable, Hashable {
    /// When the last chunk of the step was done.
    var last: UInt64 = 0
    /// When the next one will be done; nil if the guest has ended.
    var next: UInt64?
    /// How many guest_memfd inodes were freed at `last`: a step ends with each. These are the triggers of series v2.
    var inodesFreed = 0
    /// Whether the guest is stopped now.
    var ended: Bool { next == nil }
}

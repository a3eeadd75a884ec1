// SPDX-License-Identifier: Apache-2.0
// How much memory of the system a command may need at most, told before it begins: an allocation that fails in the
// middle would end the process.

extension Machine {
    /// An upper bound of the memory, in bytes, that a command takes while it is carried out, what it gives back at its
    /// end included; 0 for one that needs no more than constant work does.
    ///
    /// Depends on the machine's state, and costs at most a walk over a bit for each 2 MB of its memory.
    package func memoryNeeded(for command: Command) -> Int {
        switch command {
        case .startGuest(let id):
            guard let guest = guests[id], guest.state == .stopped || guest.state == .created else { return 0 }
            return memoryNeeded(forLaunchOf: guest)
        case .createGuest:
            // Tables of names and guests that are full double.
            return Storage.guest + guests.order.count * Storage.guestEntry
        case .convert(let id, let gpa, _):
            guard let guest = guests[id], !gpa.isEmpty, gpa.upperBound <= guest.memoryBytes else { return 0 }
            let frames = FrameAllocator.frames(gpa).count
            return memoryNeeded(forRuns: guest.frames.count, frames: frames) + memoryNeeded(forMixed: frames)
        case .validate(let id, let gpa, _):
            guard let guest = guests[id], !gpa.isEmpty, gpa.upperBound <= guest.memoryBytes else { return 0 }
            return memoryNeeded(forMixed: FrameAllocator.frames(gpa).count)
        case .leak(let pages):
            // What is written is any number; there are no more pages than the host has.
            let most = UInt64(regionCount) * UInt64(Granularity.pagesPerRegion)
            let count = Int(min(pages.upperBound - pages.lowerBound, most)) / Granularity.pagesPerFrame + 2
            let ranges = Storage.grown(guests.leaked.ranges.count + 1, of: Range<UInt64>.self)
            return memoryNeeded(forRuns: 1, frames: count) + memoryNeeded(forMixed: count) + ranges
        case .rmpupdate, .psmash, .firmwareChange, .lock, .pvalidate:
            return memoryNeeded(forRuns: 1, frames: 1) + memoryNeeded(forMixed: 1)
        case .initializeFirmware, .shutDownFirmware, .kexec:
            // The RMP is made anew, and then holds tables where a range of firmware's begins or ends in a region.
            let ranges =
                firmware.fixedRanges.count + firmware.layout.segments.count + firmware.pages.assigned.count + 1
            return regionCount * Storage.region + ranges * 2 * (Storage.table + Storage.mixedFrame)
        case .reoptimize, .setGuestMemory, .setGuestBacking, .setGuestPlacement, .setGuestNode, .setGuestVCPUs,
            .createVM, .stopGuest, .removeGuest, .setOnline, .failFirmware, .failDecommission, .addMemory, .holdPasses,
            .wrmsr, .rmpopt:
            return 0
        }
    }

    /// About how much memory the parts take that come and go, in bytes: by what it falls can go back to the system.
    package var storedBytes: Int {
        guests.order.count * Storage.guest + platform.rmp.tableCount * Storage.table
            + platform.rmp.mixedFrameCount * Storage.usualMixedFrame
    }

    private func memoryNeeded(forLaunchOf guest: Guest) -> Int {
        let frames = guest.frameCount
        let free = guests.allocator.freeRunCount(avoiding: platform.rmp.assignedFrames)
        var need = 0
        // Memory that is taken from below lies in no more pieces than what is free.
        var pieces = free
        var runs = min(frames, free + frames / Granularity.framesPerRegion + 1)
        // Copies of the allocator's bits, on which a choice is tried.
        let trial = regionCount * RMP.frameWords * MemoryLayout<UInt64>.size
        switch guest.placement {
        case .packed, .local: break
        case .ranges(let ranges):
            (runs, pieces) = (ranges.count, ranges.count)
            need += trial
        case .aligned:
            let whole = frames / Granularity.framesPerRegion
            let isWhole = frames <= Granularity.framesPerRegion || frames.isMultiple(of: Granularity.framesPerRegion)
            // Else a list of all regions with their free runs, and those again as one list.
            if !isWhole || !guests.allocator.hasWholeRegions(max(whole, 1), avoiding: platform.rmp.assignedFrames) {
                need += regionCount * Storage.regionChoice + Storage.grown(2 * free, of: FrameRun.self)
            }
        case .scattered:
            (runs, pieces) = (frames, frames)
            need += trial + Storage.grown(frames, of: Int.self)
            // When draws miss too often, the rest is drawn from a list of all that is free.
            let all = guests.allocator.frameCount
            if frames > all / 2 { need += Storage.grown(all, of: Int.self) }
        }
        if guest.backing.framesPerUnit > 1 { need += Storage.grown(regionCount, of: Int.self) }
        need += Storage.grown(runs, of: FrameRun.self)
        let controls = 2 + guest.vcpus
        need += Storage.grown(controls, of: PFN.self)
        // Control pages share frames; the initial image and the last frame, which may be used in part, are others.
        let mixed = controls / Granularity.pagesPerFrame + 2 + guest.imageFrames + 1
        return need + memoryNeeded(forRuns: pieces, frames: frames + controls) + memoryNeeded(forMixed: mixed)
    }

    /// For entries in `frames` frames that lie in so many runs: a table for each region that has none and is touched.
    private func memoryNeeded(forRuns runs: Int, frames: Int) -> Int {
        let touched = min(frames, frames / Granularity.framesPerRegion + 2 * runs + 2)
        return min(regionCount - platform.rmp.tableCount, touched) * Storage.table
    }

    /// For entries that differ in so many frames: each may come to its largest form, and two are worked on at a time.
    private func memoryNeeded(forMixed frames: Int) -> Int {
        // Of a range of pages only the ends' frames begin to differ; others do already or stay alike.
        let count = min(frames, platform.rmp.mixedFrameCount) + min(frames, Storage.newMixedFrames)
        return (count + 2) * Storage.mixedFrame
            + Storage.grown(platform.rmp.mixedFrameCount + count, of: MixedFrame.self)
    }
}

/// What the machine's parts take, in bytes, from above: with the allocator's own share, and rounded up.
private enum Storage {
    /// An array of 512 words.
    static let table = 4_096 + 64
    /// The largest mixed frame, two 16-bit fields for each of its pages, and what is made while its form changes.
    static let mixedFrame = 16_384
    /// One with few different entries.
    static let usualMixedFrame = 640
    /// How many frames of one command begin to differ: those of a launch's control pages, and the ends of ranges.
    static let newMixedFrames = 32
    /// A guest with its folder and files.
    static let guest = 9_216
    /// A guest in a table of guests that doubles.
    static let guestEntry = 1_024
    /// A region's words in the RMP and in the allocator.
    static let region = 192
    /// A region in the list of those that an aligned guest may get, with its runs.
    static let regionChoice = 768

    /// An array that grows to `count` elements by doubling: the one that is full and the one of twice its size.
    static func grown<Element>(_ count: Int, of type: Element.Type) -> Int {
        3 * count * MemoryLayout<Element>.stride + 64
    }
}

// SPDX-License-Identifier: Apache-2.0
// The free memory of the naive host, and what a guest must get of it. The lowest free memory is worked out here; where
// a placement draws lots or weighs regions, what the machine gave is taken as given, and looked at.

@testable import RMPModel

/// What a machine gave a guest at its launch.
struct LaunchGiven: Sendable, Hashable {
    var frames: [UInt64]
}

extension NaiveMachine {
    /// The frames of a node's memory, or of all.
    private func frames(ofNode node: Int?) -> [Range<UInt64>] {
        setup.configuration.memory.spans.filter { node == nil || $0.node == node }
            .map { ($0.start.rawValue >> 21)..<(($0.start.rawValue + $0.bytes) >> 21) }
    }

    /// Frames that somebody holds: guests, their control pages, and those with leaked pages.
    func heldFrames() -> Set<UInt64> {
        var held = Set(leaked.map { $0 / 512 })
        for guest in guests.values {
            held.formUnion(guest.frames[guest.done...])
            held.formUnion(guest.controls.map { $0 / 512 })
        }
        return held
    }

    /// Whether a frame can be given away: nobody holds it, and no page of it is assigned.
    private func isFree(_ frame: UInt64, _ held: Set<UInt64>) -> Bool {
        !isHeld(frame, held) && rmp.assignedPages(ofFrame: frame) == 0
    }

    private func isHeld(_ frame: UInt64, _ held: Set<UInt64>) -> Bool {
        setup.reserved.contains(frame) || held.contains(frame) || frame << 21 >= onlineMemory.last?.upperBound ?? 0
    }

    /// Free frames of a node's memory, ascending.
    private func freeFrames(_ node: Int?, _ held: Set<UInt64>, atMost limit: Int = .max) -> [UInt64] {
        var free: [UInt64] = []
        for frames in frames(ofNode: node) {
            for frame in frames where isFree(frame, held) {
                if free.count == limit { return free }
                free.append(frame)
            }
        }
        return free
    }

    /// The first frames of regions that are free as a whole.
    private func freeRegions(_ node: Int?, _ held: Set<UInt64>) -> [UInt64] {
        (0..<UInt64(rmp.regionCount)).map { $0 * 512 }.filter { first in
            let region = first..<(first + 512)
            return frames(ofNode: node).contains { $0.contains(first) && $0.contains(first + 511) }
                && region.allSatisfy { isFree($0, held) }
        }
    }

    /// How many frames could be had in whole units.
    private func room(_ node: Int?, _ unit: Int, _ held: Set<UInt64>) -> Int {
        unit == 1 ? freeFrames(node, held).count : freeRegions(node, held).count * 512
    }

    // MARK: A guest's memory

    /// Gives a guest its memory and control pages.
    mutating func allocate(_ guest: inout NaiveGuest, _ given: LaunchGiven?) throws(CommandError) {
        let unit = guest.backing == .size1G ? 512 : 1
        let count = guest.frameCount
        func noRoom(_ frames: Int) -> CommandError {
            .noMemory(requested: guest.memory, available: UInt64(frames) << 21)
        }
        var node = guest.node
        if node == nil && guest.placement == .local {
            let nodes = Set(setup.configuration.memory.spans.map(\.node)).sorted()
            // Single frames: one more, for control pages.
            let more = unit == 1 ? 1 : 0
            let rooms = nodes.map { room($0, unit, heldFrames()) }
            guard let index = rooms.firstIndex(where: { $0 >= count + more }) else {
                throw noRoom(max(0, (rooms.max() ?? 0) - more))
            }
            node = nodes[index]
        }
        var held = heldFrames()
        let isExplicit = if case .ranges = guest.placement { true } else { false }
        if isExplicit || unit > 1 {
            guest.frames = try choose(guest, node, unit, held, given, noRoom)
            held.formUnion(guest.frames)
            guard takeControls(&guest, node, &held) else { throw noRoom(0) }
        } else {
            guard takeControls(&guest, node, &held) else { throw noRoom(0) }
            guest.frames = try choose(guest, node, unit, held, given, noRoom)
        }
    }

    /// Context, response and VMSA pages: the lowest pages that are free in frames with such pages, else the first of
    /// the lowest free frame. A VMSA page is never 2 MB-aligned.
    private func takeControls(_ guest: inout NaiveGuest, _ node: Int?, _ held: inout Set<UInt64>) -> Bool {
        var taken = leakedControls.union(guests.values.flatMap(\.controls))
        var pages: [UInt64] = []
        let memory = frames(ofNode: node)
        for number in 0..<(2 + guest.vcpus) {
            let isVMSA = number >= 2
            let shared = Set(taken.map { $0 / 512 }).sorted().filter { frame in memory.contains { $0.contains(frame) } }
            let page = shared.lazy.compactMap { frame in
                ((frame * 512)..<(frame * 512 + 512)).first { page in
                    !taken.contains(page) && rmp[page] == .hypervisor && !(isVMSA && page % 512 == 0)
                }
            }.first
            if let page {
                pages.append(page)
            } else {
                guard let frame = freeFrames(node, held, atMost: 1).first else { return false }
                pages.append(frame * 512 + (isVMSA ? 1 : 0))
                held.insert(frame)
            }
            taken.insert(pages[number])
        }
        guest.context = pages[0]
        guest.response = pages[1]
        guest.vmsas = Array(pages[2...])
        return true
    }

    private func choose(
        _ guest: NaiveGuest,
        _ node: Int?,
        _ unit: Int,
        _ held: Set<UInt64>,
        _ given: LaunchGiven?,
        _ noRoom: (Int) -> CommandError
    ) throws(CommandError) -> [UInt64] {
        let count = guest.frameCount
        if case .ranges(let ranges) = guest.placement {
            return try explicit(ranges, count, node, unit, held, noRoom)
        }
        let isLowest = guest.placement == .packed || guest.placement == .local
        if unit == 1 && isLowest {
            let free = freeFrames(node, held, atMost: count)
            if free.count < count { throw noRoom(free.count) }
            return free
        }
        let free = unit == 1 ? freeFrames(node, held) : freeRegions(node, held).flatMap { $0..<($0 + 512) }
        if free.count < count { throw noRoom(free.count) }
        if case .scattered = guest.placement {} else if unit > 1 { return Array(free[..<count]) }
        // As given, when they are free frames in the right number; else none, so that the difference shows.
        guard let frames = given?.frames, frames.count == count, Set(frames).count == count,
            Set(frames).isSubset(of: free)
        else { return [] }
        return frames
    }

    private func explicit(
        _ ranges: [Range<UInt64>],
        _ count: Int,
        _ node: Int?,
        _ unit: Int,
        _ held: Set<UInt64>,
        _ noRoom: (Int) -> CommandError
    ) throws(CommandError) -> [UInt64] {
        let bytes = UInt64(unit) << 21
        var chosen: [UInt64] = []
        for range in ranges {
            if range.isEmpty || range.lowerBound % bytes != 0 || range.upperBound % bytes != 0 {
                throw .placement(.granularity(range, unit: bytes))
            }
            let memory = frames(ofNode: node)
            let frames = (range.lowerBound >> 21)..<(range.upperBound >> 21)
            if !frames.allSatisfy({ frame in memory.contains { $0.contains(frame) } }) {
                throw .placement(node.map { .otherNode(range, node: $0) } ?? .notMemory(range))
            }
            for frame in frames {
                if !isFree(frame, held) || chosen.contains(frame) {
                    throw .placement(.notFree((frame << 21)..<((frame + 1) << 21)))
                }
                chosen.append(frame)
            }
        }
        if chosen.count < count { throw noRoom(chosen.count) }
        return Array(chosen[..<count])
    }

    // MARK: Leaks

    mutating func leak(_ pages: Range<UInt64>) throws(CommandError) -> Range<UInt64> {
        if !snpEnabled { throw .noSNP }
        if pages.isEmpty { throw .invalid(.noPages) }
        let limit: UInt64 = 1 << 52 - 1
        if pages.upperBound > limit {
            throw .placement(.notMemory((min(pages.lowerBound, limit) << 12)..<(min(pages.upperBound, limit) << 12)))
        }
        let bytes = (pages.lowerBound << 12)..<(pages.upperBound << 12)
        if !setup.configuration.memory.contains(bytes) { throw .placement(.notMemory(bytes)) }
        let held = heldFrames()
        let withLeaks = Set(leaked.map { $0 / 512 })
        let controls = Set(leakedControls.union(guests.values.flatMap(\.controls)).map { $0 / 512 })
        for frame in (pages.lowerBound / 512)...((pages.upperBound - 1) / 512) {
            let part = pages.clamped(to: (frame * 512)..<(frame * 512 + 512))
            // Pages that somebody assigned by hand do not keep others of the frame from being leaked.
            let mayLeak = withLeaks.contains(frame) ? !controls.contains(frame) : !isHeld(frame, held)
            if !mayLeak || !part.allSatisfy({ rmp[$0] == .hypervisor }) {
                throw .placement(.notFree((part.lowerBound << 12)..<(part.upperBound << 12)))
            }
        }
        for page in pages {
            _ = rmpupdate(page * 4096, RMPUpdateInput(assigned: true))
            leaked.insert(page)
        }
        return pages
    }
}

// SPDX-License-Identifier: Apache-2.0
// Guests of the naive model from creation to end, page by page, by the same instructions as everybody else's.

@testable import RMPModel

/// A guest.
struct NaiveGuest: Sendable, Hashable {
    let name: GuestName
    var type = GuestType.snp
    var memory: UInt64 = 0
    var backing = Backing.size2M
    var placement = Placement.packed
    var node: Int?
    var vcpus = 1
    var state = GuestState.stopped
    var isRemoved = false
    var asid: UInt16 = 0
    var context: UInt64?
    var response: UInt64?
    var vmsas: [UInt64] = []
    /// The chunks of its memory, in the order of guest physical addresses.
    var chunks: [UInt64] = []
    /// Chunks that have gone back.
    var done = 0
    /// When the chunk at work, number `done`, will have gone back.
    var due: UInt64 = 0
    var work = GuestWork()
    /// Whether its last launch failed half-way.
    var launchFailed = false

    var chunkCount: Int { Int((memory + (2 << 20) - 1) / (2 << 20)) }
    var controls: [UInt64] { [context, response].compactMap { $0 } + vmsas }

    /// How many pages of chunk number `index` are its memory.
    func pages(ofChunk index: Int) -> UInt64 { min(512, memory / 4096 - UInt64(index) * 512) }

    /// Of two inodes with half of the memory each, how many are free when `done` chunks have gone back.
    func inodesFreed(_ done: Int) -> Int { done == chunkCount ? 2 : done * 2 >= chunkCount ? 1 : 0 }
}

extension NaiveMachine {
    // MARK: Settings

    mutating func create(_ name: GuestName) throws(CommandError) -> GuestID {
        let bytes = name.bytes
        if bytes.isEmpty || bytes.count > 255 || bytes.contains(0) || bytes.contains(47) { throw .invalid(.name) }
        if guests.values.contains(where: { $0.name == name && !$0.isRemoved }) { throw .exists(name) }
        if guests.count >= 65_536 { throw .tooManyGuests(limit: 65_536) }
        guestCount += 1
        guests[guestCount] = NaiveGuest(name: name)
        return GuestID(guestCount)
    }

    func known(_ id: GuestID) throws(CommandError) -> NaiveGuest {
        guard let guest = guests[id.rawValue], !guest.isRemoved else { throw .noSuchGuest(id) }
        return guest
    }

    /// Changes a guest that is stopped.
    mutating func stopped(
        _ id: GuestID,
        _ change: (inout NaiveGuest) throws(CommandError) -> Void
    ) throws(CommandError) {
        var guest = try known(id)
        if guest.state == .running || guest.state == .created { throw .busy(.guestRunning) }
        if guest.state == .ending { throw .busy(.guestEnding) }
        try change(&guest)
        guests[id.rawValue] = guest
    }

    mutating func setMemory(_ id: GuestID, _ bytes: UInt64) throws(CommandError) {
        // Settings are checked against all memory, a launch against what is online: a choice of the model.
        let all = setup.configuration.memory.spans.reduce(0) { $0 + $1.bytes }
        try stopped(id) { guest throws(CommandError) in
            if bytes % 4096 != 0 { throw .invalid(.memoryGranularity(bytes)) }
            if bytes > all { throw .noMemory(requested: bytes, available: all) }
            guest.memory = bytes
        }
    }

    mutating func setPlacement(_ id: GuestID, _ placement: Placement) throws(CommandError) {
        let memory = setup.configuration.memory
        try stopped(id) { guest throws(CommandError) in
            if case .ranges(let ranges) = placement {
                if ranges.isEmpty { throw .placement(.noRanges) }
                for range in ranges.map(\.raw) {
                    if range.isEmpty || range.lowerBound % (2 << 20) != 0 || range.upperBound % (2 << 20) != 0 {
                        throw .placement(.granularity(range, unit: 2 << 20))
                    }
                    if !memory.contains(range) { throw .placement(.notMemory(range)) }
                }
            }
            guest.placement = placement
        }
    }

    mutating func setNode(_ id: GuestID, _ node: Int?) throws(CommandError) {
        let spans = setup.configuration.memory.spans
        let count = setup.configuration.topology.nodeCount
        try stopped(id) { guest throws(CommandError) in
            if let node {
                if node < 0 || node >= count { throw .placement(.noSuchNode(node)) }
                if !spans.contains(where: { $0.node == node }) { throw .placement(.nodeWithoutMemory(node)) }
            }
            guest.node = node
        }
    }

    mutating func setVCPUs(_ id: GuestID, _ count: Int) throws(CommandError) {
        try stopped(id) { guest throws(CommandError) in
            if count < 1 || count > 4096 { throw .invalid(.vcpus(count)) }
            guest.vcpus = count
        }
    }

    // MARK: End

    mutating func stop(_ id: GuestID) throws(CommandError) {
        let state = try known(id).state
        if state != .running && state != .created { return }
        if guests[id.rawValue]?.type == .ordinary { return endOrdinary(id.rawValue) }
        releaseVCPUs(id.rawValue)
        guestCame(to: .beforeDecommission)
        // Without a context there is nothing to decommission: `snp_decommission_context()` returns 0 at once.
        let isDecommissioned = decommission(id.rawValue)
        if state == .running {
            beginTeardown(id.rawValue)
        } else {
            guests[id.rawValue]?.state = .stopped
            guests[id.rawValue]?.asid = 0
        }
        if isDecommissioned { guestCame(to: .afterDecommission) }
    }

    /// An ordinary guest asks for nothing and has nothing to give back but memory.
    mutating func endOrdinary(_ id: UInt64) {
        guests[id]?.chunks = []
        guests[id]?.state = .stopped
    }

    /// VMSA pages and the response page go back.
    mutating func releaseVCPUs(_ id: UInt64) {
        guard let guest = guests[id] else { return }
        guests[id]?.vmsas = []
        guests[id]?.response = nil
        for page in guest.vmsas { giveBack(page) }
        if let page = guest.response {
            rmp.change(page, .reclaim)
            giveBack(page)
        }
    }

    /// Decommissions a guest; if firmware fails to, its context page and its ASID are lost. Returns whether it
    /// succeeded.
    @discardableResult
    mutating func decommission(_ id: UInt64) -> Bool {
        guard let guest = guests[id], let page = guest.context else { return true }
        guests[id]?.context = nil
        if decommissionFailuresLeft > 0 {
            decommissionFailuresLeft -= 1
            leaked.insert(page)
            leakedControls.insert(page)
            lostASIDs.insert(guest.asid)
            return false
        }
        rmp.change(page, .decommission)
        rmp.change(page, .reclaim)
        giveBack(page)
        return true
    }

    private mutating func giveBack(_ page: UInt64) {
        if !rmp[page].assigned || rmpupdate(page * 4096, RMPUpdateInput()) == .success { return }
        leaked.insert(page)
        leakedControls.insert(page)
    }

    mutating func beginTeardown(_ id: UInt64) {
        guard var guest = guests[id] else { return }
        guest.state = .ending
        guest.due = now + cost(of: guest)
        guests[id] = guest
    }

    mutating func remove(_ id: GuestID) throws(CommandError) {
        try stop(id)
        guests[id.rawValue]?.isRemoved = true
        if guests[id.rawValue]?.state == .stopped { guests[id.rawValue] = nil }
    }

    /// What it costs to take back the chunk at work: one update for a 2 MB entry, else one for each assigned page.
    private func cost(of guest: NaiveGuest) -> UInt64 {
        let chunk = guest.chunks[guest.done]
        if rmp.isCovered(chunk * 512) { return setup.configuration.costs.share2M }
        return setup.configuration.costs.share4K * rmp.assignedPages(ofChunk: chunk)
    }

    /// The chunk at work goes back. Pages that refuse stay assigned, with a warning from KVM, and are not leaked.
    ///
    /// Source: `sev_gmem_invalidate()`.
    mutating func stepTeardown(_ id: UInt64) {
        guard var guest = guests[id] else { return }
        let first = guest.chunks[guest.done] * 512
        let pages = first..<(first + guest.pages(ofChunk: guest.done))
        if rmp.isCovered(first) && pages.count == 512 {
            _ = rmpupdate(first * 4096, RMPUpdateInput(pageSize: .size2M))
        } else {
            for page in pages where rmp[page].assigned { _ = rmpupdate(page * 4096, RMPUpdateInput()) }
        }
        let freed = guest.inodesFreed(guest.done + 1) - guest.inodesFreed(guest.done)
        guest.done += 1
        if guest.done < guest.chunks.count {
            guest.due += cost(of: guest)
        } else {
            guest.chunks = []
            guest.done = 0
            guest.asid = 0
            guest.state = .stopped
        }
        guests[id] = guest.state == .stopped && guest.isRemoved ? nil : guest
        for _ in 0..<freed { guestCame(to: .inodeFree) }
    }
}

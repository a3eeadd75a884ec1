// SPDX-License-Identifier: Apache-2.0
// A guest's end: vCPUs and decommission at once, then its pages go back chunk by chunk, which takes longer the larger
// the guest and can outlast the pass that should optimize its regions again.

extension Guests {
    /// The first step of a running guest's end: gives back its VMSA pages and its response page.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c (`sev_free_vcpu()`, `snp_guest_req_cleanup()` at the start of
    /// `sev_vm_destroy()`).
    mutating func releaseVCPUs(_ id: GuestID, _ platform: inout Platform, _ firmware: Firmware) {
        guard let guest = self[id] else { return }
        self[id]?.vmsaPages = []
        self[id]?.responsePage = nil
        for page in guest.vmsaPages {
            // On the other host, the processor held the VMSAs of running vCPUs.
            if guest.isAdopted { platform.rmp.setLock(page, false) }
            giveBack(page, &platform)
        }
        if let page = guest.responsePage {
            firmware.reclaim(page, &platform)
            giveBack(page, &platform)
        }
    }

    /// The second step: firmware forgets the guest, and its context page goes back. Series v3 and v4 ask for a pass
    /// before it, v5 and later after it, and only when it has succeeded. If it fails, the context page keeps its state,
    /// nobody tracks it any more, and no other guest ever gets the ASID.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c, `snp_decommission_context()`, `sev_vm_destroy()`.
    ///
    /// - Returns: whether it succeeded; for a guest without a context it always does.
    mutating func decommission(_ id: GuestID, _ platform: inout Platform, _ firmware: inout Firmware) -> Bool {
        guard let page = self[id]?.contextPage else { return true }
        self[id]?.contextPage = nil
        if !firmware.decommission(page, &platform) {
            leaked.add(page.rawValue..<(page.rawValue + 1))
            self[id]?.keepsASID = true
            return false
        }
        firmware.reclaim(page, &platform)
        giveBack(page, &platform)
        return true
    }

    /// The last step: the memory begins to go back. The guest is ending; one without memory is stopped at once.
    mutating func beginTeardown(_ id: GuestID, at now: UInt64, _ platform: inout Platform, _ costs: CostModel) {
        guard var guest = self[id] else { return }
        switch guest.state {
        case .running:
            guest.state = .ending
            guest.teardown.due = now.addingClamped(cost(of: guest, platform.rmp, costs))
        case .created: forgetVM(&guest)
        case .stopped, .ending: return
        }
        self[id] = guest
        platform.events.publish(.guest(id, guest.state))
    }

    /// Frees the ASID of a guest that no longer holds anything: it is now stopped.
    private mutating func forgetVM(_ guest: inout Guest) {
        if let asid = guest.asid {
            if guest.keepsASID { asids.lose(asid) } else { asids.release(asid) }
        }
        guest.asid = nil
        guest.keepsASID = false
        if guest.chunks.count >= DiscardedMemory.least { discarded = DiscardedMemory(chunks: guest.chunks) }
        guest.chunks = []
        guest.teardown = Teardown()
        guest.state = .stopped
    }

    /// Makes a control page hypervisor-owned; a page that refuses is leaked and stays taken for ever.
    private mutating func giveBack(_ page: PFN, _ platform: inout Platform) {
        let index = Int(truncatingIfNeeded: page.rawValue & 511)
        let chunk = Int(truncatingIfNeeded: page.rawValue >> 9)
        if platform.rmp.entry(chunk: chunk, index: index).isAssigned,
            platform.rmpupdate(SPA(page), RMPUpdateInput()) != .success
        {
            leaked.add(page.rawValue..<(page.rawValue + 1))
        } else {
            controls.release(page, to: &allocator)
        }
    }

    /// Takes back the chunk in progress, and those after it whose turn is before `end`. Stops at events that others can
    /// see, when an inode of guest_memfd is freed or a page has refused, so that whatever the event starts begins on
    /// time.
    ///
    /// - Parameters:
    ///   - effort: reduced by the work done; when none is left, this stops, too, unless `goesOn`.
    ///   - goesOn: whether to continue to `end` in any case.
    mutating func tearDownChunks(
        _ id: GuestID,
        before end: Work,
        effort: inout Int,
        goesOn: Bool = false,
        _ platform: inout Platform,
        _ costs: CostModel
    ) -> TeardownProgress {
        var progress = TeardownProgress()
        guard var guest = self[id], guest.state == .ending else { return progress }
        // Taken out while it is changed, so that nothing is copied.
        self[id] = nil
        repeat {
            progress.last = guest.teardown.due
            platform.events.time = progress.last
            let freed = guest.inodesFreed(after: guest.teardown.done)
            effort -= tearDownChunk(of: &guest, &platform, costs)
            let done = guest.state == .ending ? guest.teardown.done : guest.chunkCount
            progress.inodesFreed = guest.inodesFreed(after: done) - freed
            for _ in 0..<progress.inodesFreed { platform.events.publish(.inodeFreed(id)) }
        } while guest.state == .ending && progress.inodesFreed == 0 && !platform.hasRefusals
            && (goesOn || effort > 0) && Work(due: guest.teardown.due, guest: id) < end
        progress.next = guest.state == .ending ? guest.teardown.due : nil
        if progress.ended { platform.events.publish(.guest(id, .stopped)) }
        let isGone = progress.ended && guest.isRemoved
        self[id] = guest
        if isGone { forget(id) }
        return progress
    }

    /// Takes back the chunk in progress and moves on to the next one; after the last, the guest is stopped.
    ///
    /// Linux frees a page that refused like any other: it is not on the list of leaked pages and stays assigned. That
    /// no guest gets its chunk while any of its pages is assigned is a choice; the first access would fault.
    ///
    /// - Returns: the amount of work, in chunks with a single entry or a single kind of entry.
    private mutating func tearDownChunk(of guest: inout Guest, _ platform: inout Platform, _ costs: CostModel) -> Int {
        var effort = 1
        if guest.teardown.run < guest.chunks.count {
            let run = guest.chunks[guest.teardown.run]
            let chunk = run.first + guest.teardown.offset
            let own = asid(of: guest, inChunk: chunk)
            effort = Guests.takeBack(chunk, pages: guest.pages(inChunk: guest.teardown.done), of: own, &platform)
            allocator.release(chunk)
            guest.teardown.done += 1
            guest.teardown.offset += 1
            if guest.teardown.offset == run.count {
                guest.teardown.run += 1
                guest.teardown.offset = 0
            }
            let leftRegion = chunk & 511 == 511 || guest.teardown.offset == 0
            if leftRegion { platform.rmp.compact(chunk >> 9) }
        }
        if guest.teardown.run < guest.chunks.count {
            guest.teardown.due = guest.teardown.due.addingClamped(cost(of: guest, platform.rmp, costs))
        } else {
            forgetVM(&guest)
        }
        return effort
    }

    /// Makes the guest's pages of a chunk shared: one update for a 2 MB entry, else one for each private page.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c, `sev_gmem_invalidate()`: a page that refuses, as one that somebody made
    /// immutable may, stays as it is, and the next one follows.
    ///
    /// - Parameter asid: if given, only pages with this ASID, in a chunk that others hold, too.
    /// - Returns: the amount of work, in chunks done in one step.
    private static func takeBack(_ chunk: Int, pages: Int, of asid: UInt16?, _ platform: inout Platform) -> Int {
        let word = platform.rmp.chunkWord(chunk)
        if let asid {
            for page in 0..<pages where platform.rmp.entry(chunk: chunk, index: page).belongs(to: asid) {
                _ = platform.rmpupdate(chunk: chunk, pages: page..<(page + 1), RMPUpdateInput())
            }
            return pageByPageEffort
        }
        // 4 KB pages of one kind take one step, unless they refuse.
        let isSimple = !word.isMixed && pages == Granularity.pagesPerChunk
        if isSimple && (word.is2M || !(word.isImmutable || word.isLocked)) {
            if word.isAssigned {
                _ = platform.rmpupdate(chunk: chunk, RMPUpdateInput(pageSize: word.is2M ? .size2M : .size4K))
            }
            return 1
        }
        for page in 0..<pages where platform.rmp.entry(chunk: chunk, index: page).isAssigned {
            _ = platform.rmpupdate(chunk: chunk, pages: page..<(page + 1), RMPUpdateInput())
        }
        return pageByPageEffort
    }

    /// The cost of the chunk in progress, in ns: by the entries that it has when work on it begins.
    private func cost(of guest: Guest, _ rmp: borrowing RMP, _ costs: CostModel) -> UInt64 {
        guard guest.teardown.run < guest.chunks.count else { return 0 }
        return cost(ofChunk: guest.chunks[guest.teardown.run].first + guest.teardown.offset, of: guest, rmp, costs)
    }

    /// The cost of taking back a guest's pages of a chunk as they are now, in ns.
    func cost(ofChunk chunk: Int, of guest: Guest, _ rmp: borrowing RMP, _ costs: CostModel) -> UInt64 {
        let word = rmp.chunkWord(chunk)
        if let asid = self.asid(of: guest, inChunk: chunk) {
            let pages = (0..<Granularity.pagesPerChunk).count { rmp.entry(of: word, index: $0).belongs(to: asid) }
            return costs.share4K.multipliedClamped(by: UInt64(pages))
        }
        if word.is2M && !word.isMixed { return costs.share2M }
        return costs.share4K.multipliedClamped(by: UInt64(rmp.assignedPages(inChunk: chunk)))
    }

    /// Whether a page of a chunk may refuse to be taken back; judged by the chunk as a whole, so it can be true
    /// needlessly, but rarely is.
    static func mayRefuse(chunk: Int, _ rmp: borrowing RMP) -> Bool {
        let word = rmp.chunkWord(chunk)
        return word.isMixed || word.isImmutable || word.isLocked
    }
}

// SPDX-License-Identifier: Apache-2.0
// A guest's end: decommission at once, then its pages go back frame by frame, which takes time with size and can
// outlast the pass that was to win its regions back.

extension Guests {
    /// Ends a running guest: its context page goes back at once, its memory from now on. Any other stays as it is.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c (`snp_decommission_context()` in `sev_vm_destroy()`, guest_memfd's pages
    /// after it).
    mutating func stop(
        _ id: GuestID,
        at now: UInt64,
        _ platform: inout Platform,
        _ firmware: Firmware,
        _ costs: CostModel
    ) throws(CommandError) {
        var guest = try known(id)
        if guest.state != .running { return }
        if let context = guest.contextPage {
            firmware.decommission(context, &platform)
            firmware.reclaim(context, &platform)
            _ = platform.rmpupdate(SPA(context), RMPUpdateInput())
            contexts.release(context, to: &allocator)
            guest.contextPage = nil
        }
        guest.state = .ending
        guest.teardown.due = now.addingClamped(Guests.cost(of: guest, platform.rmp, costs))
        self[id] = guest
    }

    /// Takes the frame at work back, and those after it that are due at `horizon` or before.
    ///
    /// - Returns: when the last of them was done, and when the next one will be; nil when the guest has ended.
    mutating func tearDownFrames(
        _ id: GuestID,
        until horizon: UInt64,
        _ platform: inout Platform,
        _ costs: CostModel
    ) -> (last: UInt64, next: UInt64?) {
        guard var guest = self[id], guest.state == .ending else { return (0, nil) }
        // Taken out while it is worked on: nothing is copied.
        self[id] = nil
        var last = guest.teardown.due
        repeat {
            last = guest.teardown.due
            tearDownFrame(of: &guest, &platform, costs)
        } while guest.state == .ending && guest.teardown.due <= horizon
        let ended = guest.state != .ending
        let next = ended ? nil : guest.teardown.due
        let isGone = ended && guest.isRemoved
        self[id] = guest
        if isGone { forget(id) }
        return (last, next)
    }

    /// Takes the frame at work back and goes on to the next one; behind the last, the guest is stopped.
    private mutating func tearDownFrame(of guest: inout Guest, _ platform: inout Platform, _ costs: CostModel) {
        if guest.teardown.run < guest.frames.count {
            let run = guest.frames[guest.teardown.run]
            let frame = run.first + guest.teardown.offset
            Guests.share(frame, pages: guest.pages(inFrame: guest.teardown.done), &platform)
            allocator.release(frame)
            guest.teardown.done += 1
            guest.teardown.offset += 1
            if guest.teardown.offset == run.count {
                guest.teardown.run += 1
                guest.teardown.offset = 0
            }
            let leftRegion = frame & 511 == 511 || guest.teardown.offset == 0
            if leftRegion { platform.rmp.compact(frame >> 9) }
        }
        if guest.teardown.run < guest.frames.count {
            guest.teardown.due = guest.teardown.due.addingClamped(Guests.cost(of: guest, platform.rmp, costs))
            return
        }
        if let asid = guest.asid { asids.release(asid) }
        guest.asid = nil
        guest.frames = []
        guest.teardown = Teardown()
        guest.state = .stopped
    }

    /// Makes the guest's pages of a frame shared: one update for a 2 MB entry, else one for each assigned page.
    ///
    /// A page that refuses (somebody made it immutable) stays assigned: it is leaked, as the kernel does it.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c, `sev_gmem_invalidate()`.
    private static func share(_ frame: Int, pages: Int, _ platform: inout Platform) {
        let word = platform.rmp.frameWord(frame)
        if word.isMixed || pages < Granularity.pagesPerFrame {
            for page in 0..<pages where platform.rmp.entry(frame: frame, index: page).isAssigned {
                _ = platform.rmpupdate(frame: frame, pages: page..<(page + 1), RMPUpdateInput())
            }
        } else if word.isAssigned {
            let size: PageSize = word.is2M ? .size2M : .size4K
            _ = platform.rmpupdate(frame: frame, RMPUpdateInput(pageSize: size))
        }
    }

    /// What the frame at work costs, in ns: by the entries that it has when the work on it begins.
    private static func cost(of guest: Guest, _ rmp: borrowing RMP, _ costs: CostModel) -> UInt64 {
        guard guest.teardown.run < guest.frames.count else { return 0 }
        let frame = guest.frames[guest.teardown.run].first + guest.teardown.offset
        if rmp.frameWord(frame).is2M { return costs.share2M }
        return costs.share4K.multipliedClamped(by: UInt64(rmp.assignedPages(inFrame: frame)))
    }
}

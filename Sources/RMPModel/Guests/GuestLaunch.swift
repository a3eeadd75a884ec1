// SPDX-License-Identifier: Apache-2.0
// A guest's start: memory from the host, a context page for firmware, and an RMPUPDATE for every page.

extension Guests {
    /// Launches a stopped guest: all its memory becomes private at this moment. A running guest stays as it is.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c (`sev_gmem_prepare()`: a 2 MB entry where a whole frame backs the guest and
    /// none of its pages is assigned, else 4 KB). The pages are left in Guest-Invalid state: RMPOPT looks at the
    /// assigned bit alone.
    ///
    /// - Throws: `.invalid` without memory, `.busy` while ending, `.noASID`, `.noMemory`; then nothing has changed.
    ///   `.rmp` when a page refuses to be assigned; then the guest is ending.
    mutating func start(
        _ id: GuestID,
        at now: UInt64,
        _ platform: inout Platform,
        _ firmware: Firmware,
        _ costs: CostModel
    ) throws(CommandError) {
        var guest = try known(id)
        switch guest.state {
        case .running: return
        case .ending: throw .busy(.guestEnding)
        case .stopped: break
        }
        if guest.memoryBytes == 0 { throw .invalid(.noMemorySet) }
        guard let asid = asids.take() else { throw .noASID }
        guard let context = contexts.take(from: &allocator, rmp: platform.rmp) else {
            asids.release(asid)
            throw .noMemory(requested: guest.memoryBytes, available: 0)
        }
        guard let frames = allocator.take(guest.frameCount, avoiding: platform.rmp.assignedFrames) else {
            let free = allocator.free(avoiding: platform.rmp.assignedFrames)
            contexts.release(context, to: &allocator)
            asids.release(asid)
            throw .noMemory(requested: guest.memoryBytes, available: UInt64(free) * Granularity.frame)
        }
        guest.asid = asid
        guest.contextPage = context
        guest.frames = frames
        guest.state = .running
        self[id] = guest

        let code = Guests.assign(guest, asid, context, &platform, firmware)
        if code != .success {
            try stop(id, at: now, &platform, firmware, costs)
            throw .rmp(code)
        }
    }

    private static func assign(
        _ guest: Guest,
        _ asid: UInt16,
        _ context: PFN,
        _ platform: inout Platform,
        _ firmware: Firmware
    ) -> RMPCode {
        let code = platform.rmpupdate(SPA(context), RMPUpdateInput(assigned: true, immutable: true))
        if code != .success { return code }
        firmware.createContext(context, &platform)
        var number = 0
        for run in guest.frames {
            for frame in run.first..<(run.first + run.count) {
                let gpa = GPA(UInt64(number) * Granularity.frame)
                let pages = guest.pages(inFrame: number)
                let whole = pages == Granularity.pagesPerFrame
                let size = whole ? guest.pageSize : .size4K
                let input = RMPUpdateInput(gpa: gpa, assigned: true, pageSize: size, asid: UInt32(asid))
                let code =
                    whole
                    ? platform.rmpupdate(frame: frame, input)
                    : platform.rmpupdate(frame: frame, pages: 0..<pages, input)
                if code != .success { return code }
                number += 1
            }
        }
        return .success
    }
}

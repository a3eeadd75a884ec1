// SPDX-License-Identifier: Apache-2.0
// What happens to a running guest's pages: made shared and private again on request, accepted with PVALIDATE, and 2 MB
// entries split when the guest treats their pages one by one.

extension Guests {
    /// Converts pages of a running guest. Pages that already have the requested state stay as they are.
    ///
    /// To shared: this punches a hole into guest_memfd. A whole chunk with a 2 MB entry costs one RMPUPDATE of 2 MB;
    /// any other 2 MB entry is first split by PSMASH, and its pages are updated one by one. To private: as a fault
    /// does. Shared pages remain the guest's and return at the same place: a choice, as with in-place conversion.
    ///
    /// An ordinary guest's memory is shared already, and cannot become private.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c, `sev_gmem_invalidate()` and `sev_gmem_prepare()`; virt/kvm/kvm_main.c,
    /// `kvm_vm_ioctl_set_mem_attributes()` (EINVAL for an attribute that a VM without private memory does not support,
    /// and nothing to do for none).
    ///
    /// - Parameter gpa: guest physical addresses in bytes, whole pages of its memory.
    /// - Throws: `.busy(.guestNotRunning)` (`.guestEnding`), `.invalid(.pageRange)`, `.invalid(.outsideMemory)`,
    ///   `.invalid(.ordinaryGuest)`; `.rmp` if a page refuses, as one that was changed by hand may: the pages before it
    ///   are then converted.
    mutating func convert(
        _ id: GuestID,
        _ gpa: Range<UInt64>,
        toPrivate: Bool,
        _ platform: inout Platform,
        _ costs: CostModel
    ) throws(CommandError) -> GuestWork {
        let (guest, asid) = try running(id, gpa)
        var work = GuestWork()
        guard let asid else {
            if toPrivate { throw .invalid(.ordinaryGuest) }
            return work
        }
        var code = RMPCode.success
        Guests.forEachChunk(of: guest, gpa) { number, chunk, pages in
            let start = GPA(UInt64(number) * Granularity.chunk)
            code =
                toPrivate
                ? Guests.fault(chunk, pages, start, guest, asid, &platform, costs, &work)
                : Guests.share(chunk, pages, of: self.asid(of: guest, inChunk: chunk), &platform, costs, &work)
            return code == .success
        }
        if code != .success { throw .rmp(code) }
        return work
    }

    /// - Parameter asid: if given, only pages with this ASID, in a chunk that others hold, too.
    private static func share(
        _ chunk: Int,
        _ pages: Range<Int>,
        of asid: UInt16?,
        _ platform: inout Platform,
        _ costs: CostModel,
        _ work: inout GuestWork
    ) -> RMPCode {
        let word = platform.rmp.chunkWord(chunk)
        if word.is2M && !word.isMixed {
            if pages.count == Granularity.pagesPerChunk {
                let code = platform.rmpupdate(chunk: chunk, RMPUpdateInput(pageSize: .size2M))
                if code == .success { work.add(1, of: \.updates, taking: costs.share2M) }
                return code
            }
            let code = smash(chunk, &platform, costs, &work)
            if code != .success { return code }
        } else if pages.count == Granularity.pagesPerChunk && !word.isMixed && word.isAssigned {
            let code = platform.rmpupdate(chunk: chunk, RMPUpdateInput())
            if code == .success { work.add(pages.count, of: \.updates, taking: costs.share4K) }
            return code
        }
        for page in pages where platform.rmp.entry(chunk: chunk, index: page).isAssigned {
            if let asid, platform.rmp.entry(chunk: chunk, index: page).asid != asid { continue }
            let code = platform.rmpupdate(chunk: chunk, pages: page..<(page + 1), RMPUpdateInput())
            if code != .success { return code }
            work.add(1, of: \.updates, taking: costs.share4K)
        }
        return .success
    }

    /// Splits a 2 MB entry: what `sev_handle_rmp_fault()` does if the guest's page size is not the entry's.
    private static func smash(
        _ chunk: Int,
        _ platform: inout Platform,
        _ costs: CostModel,
        _ work: inout GuestWork
    ) -> RMPCode {
        let code = platform.psmash(SPA(UInt64(chunk) << 21))
        if code == .success { work.add(1, of: \.smashes, taking: costs.smash) }
        return code
    }

    /// A running guest accepts its private pages: PVALIDATE of `size`, from Guest-Invalid to Guest-Valid. Shared pages
    /// and pages that are already valid stay as they are.
    ///
    /// With 4 KB, a 2 MB entry does not match (an RMP fault with SIZEM): the host splits it. With 2 MB, a chunk of 4 KB
    /// entries returns FAIL_SIZEMISMATCH; Linux guests then accept page by page.
    ///
    /// Source: APM vol 3, PVALIDATE; Linux arch/x86/kvm/svm/sev.c, `sev_handle_rmp_fault()`; arch/x86/coco/sev/core.c.
    ///
    /// - Throws: as `convert`; `.invalid(.ordinaryGuest)` for any ordinary guest, which has no PVALIDATE.
    mutating func validate(
        _ id: GuestID,
        _ gpa: Range<UInt64>,
        _ size: PageSize,
        _ platform: inout Platform,
        _ costs: CostModel
    ) throws(CommandError) -> GuestWork {
        let (guest, asid) = try running(id, gpa)
        guard let asid else { throw .invalid(.ordinaryGuest) }
        var work = GuestWork()
        var code = RMPCode.success
        Guests.forEachChunk(of: guest, gpa) { _, chunk, pages in
            var word = platform.rmp.chunkWord(chunk)
            let isWhole = pages.count == Granularity.pagesPerChunk
            if word.is2M && !word.isMixed && !(size == .size2M && isWhole) {
                if word.asid != asid { return true }
                code = Guests.smash(chunk, &platform, costs, &work)
                if code != .success { return false }
                word = platform.rmp.chunkWord(chunk)
            }
            if isWhole && !word.isMixed {
                let count = word.is2M ? 1 : Granularity.pagesPerChunk
                if platform.validate(chunk: chunk, asid) { work.add(count, of: \.validations, taking: costs.validate) }
                return true
            }
            for page in pages where platform.validate(chunk: chunk, page: page, asid) {
                work.add(1, of: \.validations, taking: costs.validate)
            }
            return true
        }
        if code != .success { throw .rmp(code) }
        return work
    }

    /// The guest, if it is running and has memory at `gpa`, and its ASID; nil for an ordinary one.
    private func running(_ id: GuestID, _ gpa: Range<UInt64>) throws(CommandError) -> (Guest, UInt16?) {
        let guest = try known(id)
        if guest.state == .ending { throw .busy(.guestEnding) }
        guard guest.state == .running else { throw .busy(.guestNotRunning) }
        if gpa.isEmpty || (gpa.lowerBound | gpa.upperBound) & (Granularity.page - 1) != 0 {
            throw .invalid(.pageRange(Range(raw: gpa)))
        }
        if gpa.upperBound > guest.memoryBytes {
            throw .invalid(.outsideMemory(Range(raw: gpa), memoryBytes: guest.memoryBytes))
        }
        return (guest, guest.asid)
    }

    /// Calls `body` with the number, the chunk and the pages of each chunk that `gpa` touches, until it returns false.
    private static func forEachChunk(
        of guest: Guest,
        _ gpa: Range<UInt64>,
        _ body: (_ number: Int, _ chunk: Int, _ pages: Range<Int>) -> Bool
    ) {
        guest.forEachChunk(from: Int(gpa.lowerBound / Granularity.chunk)) { number, chunk in
            let start = UInt64(number) * Granularity.chunk
            if start >= gpa.upperBound { return false }
            let first = gpa.lowerBound > start ? Int((gpa.lowerBound - start) / Granularity.page) : 0
            let end = Int(min(gpa.upperBound - start, Granularity.chunk) / Granularity.page)
            return body(number, chunk, first..<end)
        }
    }
}

extension Platform {
    /// PVALIDATE of a whole chunk whose entries are alike.
    ///
    /// - Returns: whether anything changed.
    fileprivate mutating func validate(chunk: Int, _ asid: UInt16) -> Bool {
        let word = rmp.chunkWord(chunk)
        guard Platform.isInvalid(word, asid) else { return false }
        rmp.setChunk(chunk, EntryWord(bits: word.bits | EntryWord.validatedBit))
        return true
    }

    /// PVALIDATE of one page with a 4 KB entry.
    fileprivate mutating func validate(chunk: Int, page: Int, _ asid: UInt16) -> Bool {
        let word = rmp.entry(chunk: chunk, index: page)
        guard Platform.isInvalid(word, asid) else { return false }
        rmp.setEntry(chunk: chunk, index: page, EntryWord(bits: word.bits | EntryWord.validatedBit))
        return true
    }

    /// Whether an entry is in Guest-Invalid state and belongs to the guest.
    private static func isInvalid(_ word: EntryWord, _ asid: UInt16) -> Bool {
        word.isAssigned && word.asid == asid && !word.isImmutable && word.bits & EntryWord.validatedBit == 0
    }
}

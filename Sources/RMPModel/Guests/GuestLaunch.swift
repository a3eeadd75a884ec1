// SPDX-License-Identifier: Apache-2.0
// A guest's start as KVM does it: memory from the host, pages for firmware, a measured initial image, VMSAs, and faults
// of private pages for the rest.

extension Guests {
    /// Where the guest sees its vCPUs' VMSAs: INITIAL_VMSA_GPA of Linux arch/x86/kvm/svm/sev.c.
    static let vmsaGPA = GPA(0xffff_ffff_f000)

    /// Launches a stopped guest: all memory of an SNP guest becomes private at once. An ordinary guest only takes its
    /// memory. A running guest stays as it is.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c. Response page (`snp_guest_req_init()`), context page
    /// (`snp_context_create()`), initial image (`sev_gmem_post_populate()`), VMSAs (`snp_launch_update_vmsa()`), faults
    /// (`sev_gmem_prepare()`). The order of the steps is not visible, as a launch takes no time. Faulted pages stay in
    /// Guest-Invalid state until the guest accepts them (`validate`).
    ///
    /// - Throws: `.invalid` without memory or with memory that is not a multiple of its folios, `.busy` while ending,
    ///   `.noASID`, `.noMemory`, `.placement`; nothing has then changed. `.rmp` if a page refuses to be assigned; the
    ///   guest is then ending.
    mutating func start(
        _ id: GuestID,
        at now: UInt64,
        _ platform: inout Platform,
        _ firmware: inout Firmware,
        _ costs: CostModel
    ) throws(CommandError) {
        var guest = try known(id)
        switch guest.state {
        case .running: return
        case .ending: throw .busy(.guestEnding)
        case .stopped, .created: break
        }
        if guest.memoryBytes == 0 { throw .invalid(.noMemorySet) }
        if guest.backing == .size1G && !guest.memoryBytes.isMultiple(of: Backing.size1G.bytes) {
            throw .invalid(.memoryForBacking(guest.memoryBytes, guest.backing))
        }
        let isSNP = guest.type == .snp
        let asid = guest.asid ?? (isSNP ? asids.take(for: id) : nil)
        if isSNP && asid == nil { throw .noASID }
        do throws(AllocationError) {
            try allocate(&guest, platform.rmp)
        } catch {
            if guest.asid == nil, let asid { asids.release(asid) }
            switch error {
            case .placement(let reason): throw .placement(reason)
            case .noRoom(let chunks):
                throw .noMemory(requested: guest.memoryBytes, available: UInt64(chunks) * Granularity.chunk)
            }
        }
        guest.asid = asid
        guest.state = .running
        guest.launchWork = GuestWork()
        guest.isAdopted = false
        var code = RMPCode.success
        if let asid {
            code = Guests.populate(&guest, asid, &platform, firmware, costs)
        } else {
            ordinaryChunks += guest.chunkCount
        }
        self[id] = guest
        platform.events.publish(.guest(id, .running))
        if code != .success {
            releaseVCPUs(id, &platform, firmware)
            _ = decommission(id, &platform, &firmware)
            beginTeardown(id, at: now, &platform, costs)
            throw .rmp(code)
        }
    }

    // MARK: Memory

    /// Takes memory and, for an SNP guest, control pages; all or nothing. The page cache makes room where memory is
    /// short.
    private mutating func allocate(_ guest: inout Guest, _ rmp: borrowing RMP) throws(AllocationError) {
        let before = host.cache.isEmpty ? nil : (allocator, host)
        do throws(AllocationError) {
            try allocateParts(&guest, rmp)
        } catch {
            if let before { (allocator, host) = before }
            throw error
        }
    }

    /// Control pages come first, unless they could take memory that the guest needs: explicit ranges, or the last whole
    /// gigabytes.
    private mutating func allocateParts(_ guest: inout Guest, _ rmp: borrowing RMP) throws(AllocationError) {
        let unit = guest.backing.chunksPerUnit
        var node = guest.node
        if node == nil && guest.placement == .local {
            // One more chunk for control pages, in case none on that node has room for them.
            let more = unit == 1 && guest.type == .snp ? 1 : 0
            do throws(AllocationError) {
                node = try lowestNodeReclaiming(withRoomFor: guest.chunkCount + more, unit: unit, rmp)
            } catch {
                guard case .noRoom(let chunks) = error else { throw error }
                throw .noRoom(chunks: max(0, chunks - more))
            }
        }
        if guest.type == .ordinary {
            guest.chunks = try takeReclaiming(guest, node, rmp)
            return
        }
        var isExplicit = false
        if case .ranges = guest.placement { isExplicit = true }
        if isExplicit || unit > 1 {
            guest.chunks = try takeReclaiming(guest, node, rmp)
            guard takeControls(&guest, node, rmp) else {
                allocator.release(guest.chunks)
                throw .noRoom(chunks: 0)
            }
        } else {
            guard takeControls(&guest, node, rmp) else { throw .noRoom(chunks: 0) }
            do throws(AllocationError) {
                guest.chunks = try takeReclaiming(guest, node, rmp)
            } catch {
                for page in guest.controlPages { controls.release(page, to: &allocator) }
                throw error
            }
        }
    }

    /// Takes a context page, a response page and a VMSA page per vCPU; all or nothing.
    private mutating func takeControls(_ guest: inout Guest, _ node: Int?, _ rmp: borrowing RMP) -> Bool {
        let memory = allocator.memory(ofNode: node)
        var pages: [PFN] = []
        for number in 0..<(2 + guest.vcpus) {
            var page = controls.take(isVMSA: number >= 2, in: memory, from: &allocator, rmp: rmp)
            if page == nil {
                reclaim(1, in: memory, rmp)
                page = controls.take(isVMSA: number >= 2, in: memory, from: &allocator, rmp: rmp)
            }
            guard let page else {
                for page in pages { controls.release(page, to: &allocator) }
                return false
            }
            pages.append(page)
        }
        guest.contextPage = pages[0]
        guest.responsePage = pages[1]
        guest.vmsaPages = Array(pages[2...])
        return true
    }

    // MARK: Pages

    private static func populate(
        _ guest: inout Guest,
        _ asid: UInt16,
        _ platform: inout Platform,
        _ firmware: Firmware,
        _ costs: CostModel
    ) -> RMPCode {
        var work = GuestWork()
        for page in [guest.contextPage, guest.responsePage].compactMap({ $0 }) {
            let code = platform.rmpupdate(SPA(page), RMPUpdateInput(assigned: true, immutable: true))
            if code != .success { return code }
            work.add(1, of: \.updates, taking: costs.assign)
            if page == guest.contextPage { firmware.createContext(page, &platform) }
        }
        let image = guest.imageChunks
        var code = RMPCode.success
        guest.forEachChunk { number, chunk in
            let pages = guest.pages(inChunk: number)
            let gpa = GPA(UInt64(number) * Granularity.chunk)
            if number < image {
                let input = RMPUpdateInput(gpa: gpa, assigned: true, immutable: true, asid: UInt32(asid))
                code = platform.rmpupdate(chunk: chunk, from: 0..<pages, input)
                work.add(pages, of: \.updates, taking: costs.assign)
                work.add(pages, of: \.measured, taking: costs.launchUpdate)
            } else {
                code = fault(chunk, 0..<pages, gpa, guest, asid, &platform, costs, &work)
            }
            return code == .success
        }
        if code == .success {
            let input = RMPUpdateInput(gpa: vmsaGPA, assigned: true, immutable: true, asid: UInt32(asid))
            for page in guest.vmsaPages {
                code = platform.rmpupdate(SPA(page), input)
                if code != .success { break }
                firmware.launchUpdateVMSA(page, &platform)
                work.add(1, of: \.updates, taking: costs.assign)
                work.add(1, of: \.measured, taking: costs.launchUpdate)
            }
        }
        guest.forEachChunk { number, chunk in
            if number >= image { return false }
            // A failed launch ends with SNP_PAGE_RECLAIM of the pages that firmware has not measured.
            firmware.endLaunch(chunk, pages: guest.pages(inChunk: number), isValid: code == .success, &platform)
            return true
        }
        guest.launchWork = work
        return code
    }

    /// Makes those of a chunk's `pages` private that are unassigned: with one 2 MB entry if the backing has such
    /// folios, `pages` are the whole chunk and none of them is assigned; else with 4 KB entries.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c, `sev_gmem_prepare()`; a partly private range is faulted page by page
    /// (`kvm_mem_is_private()` and the level that memory attributes allow).
    static func fault(
        _ chunk: Int,
        _ pages: Range<Int>,
        _ gpa: GPA,
        _ guest: Guest,
        _ asid: UInt16,
        _ platform: inout Platform,
        _ costs: CostModel,
        _ work: inout GuestWork
    ) -> RMPCode {
        let isEmpty = platform.rmp.assignedPages(inChunk: chunk) == 0
        let isWhole = pages.count == Granularity.pagesPerChunk
        let each = costs.privateFault.addingClamped(costs.assign)
        var input = RMPUpdateInput(gpa: gpa, assigned: true, asid: UInt32(asid))
        if isEmpty && isWhole && guest.backing.pageSize == .size2M {
            input.pageSize = .size2M
            let code = platform.rmpupdate(chunk: chunk, input)
            if code == .success { work.add(1, of: \.updates, taking: each) }
            return code
        }
        if isEmpty {
            let code = platform.rmpupdate(chunk: chunk, from: pages, input)
            if code == .success { work.add(pages.count, of: \.updates, taking: each) }
            return code
        }
        for page in pages where !platform.rmp.entry(chunk: chunk, index: page).isAssigned {
            let code = platform.rmpupdate(chunk: chunk, pages: page..<(page + 1), input)
            if code != .success { return code }
            work.add(1, of: \.updates, taking: each)
        }
        return .success
    }
}

extension Platform {
    /// 4 KB RMPUPDATEs of some pages of a chunk, in one step if they are all 512.
    mutating func rmpupdate(chunk: Int, from pages: Range<Int>, _ first: RMPUpdateInput) -> RMPCode {
        pages.count == Granularity.pagesPerChunk
            ? rmpupdate(chunk: chunk, first) : rmpupdate(chunk: chunk, pages: pages, first)
    }
}

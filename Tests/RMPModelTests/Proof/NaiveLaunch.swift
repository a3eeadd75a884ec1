// SPDX-License-Identifier: Apache-2.0
// What happens to a guest's pages in the naive model while it is launched and while it runs.

@testable import RMPModel

extension NaiveMachine {
    // MARK: Launch

    /// KVM_SEV_INIT2: an ASID, and nothing more.
    mutating func createVM(_ id: GuestID) throws(CommandError) {
        var guest = try known(id)
        if guest.state != .stopped { return }
        if guest.type == .snp {
            if !firmwareIsInitialized { throw .noSNP }
            guest.asid = try freeASID()
        }
        guest.state = .created
        guests[id.rawValue] = guest
    }

    private func freeASID() throws(CommandError) -> UInt16 {
        let taken = lostASIDs.union(guests.values.filter { $0.type == .snp && $0.state != .stopped }.map(\.asid))
        let limit = min(setup.configuration.processor.asidCount, 1023)
        guard let asid = (0..<limit).map({ $0 + 1 }).first(where: { !taken.contains($0) }) else { throw .noASID }
        return asid
    }

    mutating func start(_ id: GuestID, _ given: LaunchGiven?) throws(CommandError) {
        var guest = try known(id)
        let isNew = guest.state == .stopped || guest.state == .created
        if guest.type == .snp && isNew && !firmwareIsInitialized { throw .noSNP }
        if guest.state == .running { return }
        if guest.state == .ending { throw .busy(.guestEnding) }
        if guest.memory == 0 { throw .invalid(.noMemorySet) }
        if guest.backing == .size1G && guest.memory % (1 << 30) != 0 {
            throw .invalid(.memoryForBacking(guest.memory, guest.backing))
        }
        if guest.type == .ordinary {
            try allocate(&guest, given)
            guest.state = .running
            guest.work = GuestWork()
            guest.launchFailed = false
            guests[id.rawValue] = guest
            return
        }
        let asid = guest.state == .created ? guest.asid : try freeASID()
        try allocate(&guest, given)
        guest.asid = asid
        guest.state = .running
        guest.work = GuestWork()
        let code = populate(&guest)
        guest.launchFailed = code != .success
        guests[id.rawValue] = guest
        if code == .success { return }
        releaseVCPUs(id.rawValue)
        decommission(id.rawValue)
        beginTeardown(id.rawValue)
        throw .rmp(code)
    }

    /// Context and response page, the measured image, faults for the rest, VMSAs.
    private mutating func populate(_ guest: inout NaiveGuest) -> RMPCode {
        let costs = setup.configuration.costs
        let toFirmware = RMPUpdateInput(assigned: true, immutable: true)
        for page in [guest.context, guest.response].compactMap({ $0 }) {
            let code = rmpupdate(page * 4096, toFirmware)
            if code != .success { return code }
            guest.work.add(1, of: \.updates, taking: costs.assign)
            if page == guest.context { rmp.change(page, .createContext) }
        }
        let code = populateMemory(&guest)
        // What firmware has measured becomes Guest-Valid; after a failure it only stops being immutable.
        for (index, chunk) in guest.chunks.prefix(8).enumerated() {
            for page in (chunk * 512)..<(chunk * 512 + guest.pages(ofChunk: index)) {
                var ended = rmp[page]
                if !ended.assigned || !ended.immutable || ended.asid == 0 { continue }
                ended.immutable = false
                if code == .success { ended.validated = true }
                rmp.write(page, ended, .launchEnd)
            }
        }
        return code
    }

    private mutating func populateMemory(_ guest: inout NaiveGuest) -> RMPCode {
        let costs = setup.configuration.costs
        for (index, chunk) in guest.chunks.enumerated() {
            let pages = 0..<guest.pages(ofChunk: index)
            if index >= 8 {
                let code = fault(guest, index, pages, &guest.work)
                if code != .success { return code }
                continue
            }
            for page in pages {
                let gpa = GPA(UInt64(index) << 21 + page * 4096)
                let input = RMPUpdateInput(gpa: gpa, assigned: true, immutable: true, asid: UInt32(guest.asid))
                let code = rmpupdate(chunk << 21 + page * 4096, input)
                if code != .success { return code }
                guest.work.add(1, of: \.updates, taking: costs.assign)
                guest.work.add(1, of: \.measured, taking: costs.launchUpdate)
            }
        }
        for page in guest.vmsas {
            let gpa = GPA(0xffff_ffff_f000)
            let input = RMPUpdateInput(gpa: gpa, assigned: true, immutable: true, asid: UInt32(guest.asid))
            let code = rmpupdate(page * 4096, input)
            if code != .success { return code }
            rmp.change(page, .launchVMSA)
            guest.work.add(1, of: \.updates, taking: costs.assign)
            guest.work.add(1, of: \.measured, taking: costs.launchUpdate)
        }
        return .success
    }

    /// Private faults on some pages of a chunk: one 2 MB entry if all of it is asked for and free, else 4 KB each.
    private mutating func fault(
        _ guest: NaiveGuest,
        _ index: Int,
        _ pages: Range<UInt64>,
        _ work: inout GuestWork
    ) -> RMPCode {
        let chunk = guest.chunks[index]
        let each = setup.configuration.costs.privateFault + setup.configuration.costs.assign
        var input = RMPUpdateInput(gpa: GPA(UInt64(index) << 21), assigned: true, asid: UInt32(guest.asid))
        if rmp.assignedPages(ofChunk: chunk) == 0 && pages.count == 512 && guest.backing != .size4K {
            input.pageSize = .size2M
            let code = rmpupdate(chunk << 21, input)
            if code == .success { work.add(1, of: \.updates, taking: each) }
            return code
        }
        for page in pages where !rmp[chunk * 512 + page].assigned {
            input.gpa = GPA(UInt64(index) << 21 + page * 4096)
            let code = rmpupdate(chunk << 21 + page * 4096, input)
            if code != .success { return code }
            work.add(1, of: \.updates, taking: each)
        }
        return .success
    }

    // MARK: At run time

    mutating func convert(_ id: GuestID, _ gpa: Range<UInt64>, _ toPrivate: Bool) throws(CommandError) -> GuestWork {
        let guest = try running(id, gpa)
        var work = GuestWork()
        if guest.type == .ordinary && toPrivate { throw .invalid(.ordinaryGuest) }
        if guest.type == .ordinary { return work }
        for (index, pages) in parts(of: gpa) {
            let code = toPrivate ? fault(guest, index, pages, &work) : share(guest.chunks[index], pages, &work)
            if code != .success { throw .rmp(code) }
        }
        return work
    }

    private mutating func share(_ chunk: UInt64, _ pages: Range<UInt64>, _ work: inout GuestWork) -> RMPCode {
        let costs = setup.configuration.costs
        if rmp.isCovered(chunk * 512) {
            if pages.count == 512 {
                let code = rmpupdate(chunk << 21, RMPUpdateInput(pageSize: .size2M))
                if code == .success { work.add(1, of: \.updates, taking: costs.share2M) }
                return code
            }
            let code = smash(chunk, &work)
            if code != .success { return code }
        }
        for page in pages where rmp[chunk * 512 + page].assigned {
            let code = rmpupdate(chunk << 21 + page * 4096, RMPUpdateInput())
            if code != .success { return code }
            work.add(1, of: \.updates, taking: costs.share4K)
        }
        return .success
    }

    private mutating func smash(_ chunk: UInt64, _ work: inout GuestWork) -> RMPCode {
        let code = rmp.psmash(chunk << 21)
        if code == .success { work.add(1, of: \.smashes, taking: setup.configuration.costs.smash) }
        return code
    }

    mutating func validate(_ id: GuestID, _ gpa: Range<UInt64>, _ size: PageSize) throws(CommandError) -> GuestWork {
        let guest = try running(id, gpa)
        if guest.type == .ordinary { throw .invalid(.ordinaryGuest) }
        let costs = setup.configuration.costs
        var work = GuestWork()
        for (index, pages) in parts(of: gpa) {
            let first = guest.chunks[index] * 512
            if rmp.isCovered(first) {
                if rmp[first].asid != UInt64(guest.asid) { continue }
                if size == .size2M && pages.count == 512 {
                    if accept(first, guest) { work.add(1, of: \.validations, taking: costs.validate) }
                    continue
                }
                let code = smash(guest.chunks[index], &work)
                if code != .success { throw .rmp(code) }
            }
            for page in pages where accept(first + page, guest) {
                work.add(1, of: \.validations, taking: costs.validate)
            }
        }
        return work
    }

    /// From Guest-Invalid to Guest-Valid, if the page is the guest's.
    private mutating func accept(_ pfn: UInt64, _ guest: NaiveGuest) -> Bool {
        var page = rmp[pfn]
        if !page.assigned || page.immutable || page.validated || page.asid != UInt64(guest.asid) { return false }
        page.validated = true
        rmp.write(pfn, page, .pvalidate)
        return true
    }

    private func running(_ id: GuestID, _ gpa: Range<UInt64>) throws(CommandError) -> NaiveGuest {
        let guest = try known(id)
        if guest.state == .ending { throw .busy(.guestEnding) }
        if guest.state != .running { throw .busy(.guestNotRunning) }
        if gpa.isEmpty || gpa.lowerBound % 4096 != 0 || gpa.upperBound % 4096 != 0 { throw .invalid(.pageRange(gpa)) }
        if gpa.upperBound > guest.memory { throw .invalid(.outsideMemory(gpa, memoryBytes: guest.memory)) }
        return guest
    }

    /// The chunks that a range touches, by their number in the guest's memory, with the pages that it has of each.
    private func parts(of gpa: Range<UInt64>) -> [(index: Int, pages: Range<UInt64>)] {
        let all = (gpa.lowerBound / 4096)..<(gpa.upperBound / 4096)
        return ((all.lowerBound / 512)...((all.upperBound - 1) / 512)).map { index in
            let part = all.clamped(to: (index * 512)..<(index * 512 + 512))
            return (Int(index), (part.lowerBound - index * 512)..<(part.upperBound - index * 512))
        }
    }
}

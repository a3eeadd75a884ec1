// SPDX-License-Identifier: Apache-2.0
// A machine that adopts another host's RMP, entry by entry: whatever has an ASID there is a guest here.

/// Why a machine cannot hold an RMP.
public enum AdoptionError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The machine does not boot as far as SNP_INIT_EX.
    case notInitialized
    /// An entry that no row of the table of page states describes.
    case undescribed(PFN, RawRMPEntry)
    /// An entry of 2 MB that does not begin a chunk, or one that is followed by something other than its shadow.
    case size(PFN, RawRMPEntry)
    /// A guest's page where the machine has no memory.
    case noMemory(PFN, asid: UInt16)

    private static func text(_ page: PFN) -> String { "page 0x\(String(page.rawValue << 12, radix: 16))" }
    private static func text(_ entry: RawRMPEntry) -> String { "0x\(String(entry.low, radix: 16))" }

    /// What is wrong, and where.
    public var description: String {
        switch self {
        case .notInitialized: "SNP is not initialized on this machine, so that it has no RMP to take over"
        case .undescribed(let page, let entry):
            "\(Self.text(page)): its entry, \(Self.text(entry)), is in no state that the manual has"
        case .size(let page, let entry):
            "\(Self.text(page)): its entry, \(Self.text(entry)), does not fit the size of the first entry of its 2 MB"
        case .noMemory(let page, let asid):
            "\(Self.text(page)): it belongs to ASID \(asid), and the machine has no memory there"
        }
    }
}

/// What the machine does not keep of an RMP, and what the RMP does not say and had to be chosen.
public struct AdoptionLosses: Sendable, Hashable {
    /// Entries whose high quadword is not what RMPUPDATE leaves there: other VMPL permissions, for example.
    public var permissions = 0
    /// Chunks whose count of assigned subpages is wrong; the machine has the right one.
    public var miscounted = 0
    /// Assigned pages beyond the machine's memory, or not covered by its processor.
    public var outside = 0
    /// Pages with an ASID that the processor does not have: nobody's, and assigned for ever.
    public var unknownASIDs = 0
    /// Chunks of 2 MB that several guests share, or a guest and firmware.
    public var sharedChunks = 0
    /// Context pages, which do not say whose they are; the guests were given one each, in order, as far as they go.
    public var contexts = 0
    /// Guests.
    public var guests = 0
}

/// Boots a machine, gives it the entries of an RMP chunk by chunk, and makes the guests that own them.
public struct RMPAdoption: Sendable {
    private struct Owner: Sendable {
        var chunks: [(gpa: UInt64, chunk: Int)] = []
        var vmsas: [PFN] = []
        var isLarge = false
    }

    private var machine: Machine
    private var losses = AdoptionLosses()
    private var owners: [UInt16: Owner] = [:]
    private var contexts: [PFN] = []
    /// Chunks of guests that also hold pages that are nobody's.
    private var foreign: Set<Int> = []
    /// Chunks with HV-fixed pages, which no guest can get.
    private var fixed: [Range<Int>] = []
    /// The last kind of entry that was found in the table of page states.
    private var known: UInt64?

    /// Boots the machine that will hold the RMP. Its layout must be the host's, as
    /// ``MachineConfiguration/adopting(_:)`` makes it.
    /// - Throws: ``AdoptionError/notInitialized``.
    public init(_ configuration: MachineConfiguration) throws(AdoptionError) {
        machine = Machine(configuration)
        guard machine.firmware.state == .initialized else { throw .notInitialized }
        machine.platform.rmp.reset()
        machine.platform.rmp.hasStrays = true
    }

    // MARK: Entries

    /// Adopts the entries of a chunk, in raw form. Chunks come once each and in ascending order; those that never come
    /// are hypervisor-owned.
    /// - Parameters:
    ///   - chunk: the chunk's address divided by 2 MB.
    ///   - words: 512 entries of two words each.
    /// - Throws: `AdoptionError` for the first entry that the machine cannot hold.
    public mutating func add(_ chunk: Int, _ words: UnsafeBufferPointer<UInt64>) throws(AdoptionError) {
        guard words.count == 2 * Granularity.pagesPerChunk else { return }
        let first = UInt64(truncatingIfNeeded: chunk) << 9
        guard chunk >= 0, chunk < machine.platform.rmp.chunkCount, machine.platform.rmp.covers(first) else {
            for index in 0..<Granularity.pagesPerChunk where words[2 * index] & EntryWord.assignedBit != 0 {
                losses.outside += 1
            }
            return
        }
        let head = EntryWord(bits: words[0] & ~EntryWord.spareMask)
        var isUniform = true
        var others = 0
        for index in 0..<Granularity.pagesPerChunk {
            let raw = RawRMPEntry(low: words[2 * index], high: words[2 * index + 1])
            let bits = index == 0 ? head.bits : raw.low
            if index > 0 { others += Int(bits & EntryWord.assignedBit) }
            try check(PFN(first + UInt64(index)), raw, bits, index, head)
            if bits != head.advanced(pages: index).bits { isUniform = false }
        }
        if !head.is2M && Int(words[0] & EntryWord.spareMask) >> 3 != others { losses.miscounted += 1 }
        if head.is2M || isUniform {
            if head.bits != 0 { machine.platform.rmp.setChunk(chunk, head) }
        } else {
            for index in 0..<Granularity.pagesPerChunk {
                let bits = index == 0 ? head.bits : words[2 * index]
                if bits != 0 { machine.platform.rmp.setEntry(chunk: chunk, index: index, EntryWord(bits: bits)) }
            }
        }
        try noteOwners(chunk, head, isUniform: isUniform, words)
        if chunk & 511 == 511 { machine.platform.rmp.compact(chunk >> 9) }
    }

    private mutating func check(
        _ page: PFN,
        _ raw: RawRMPEntry,
        _ bits: UInt64,
        _ index: Int,
        _ head: EntryWord
    ) throws(AdoptionError) {
        let entry = EntryWord(bits: bits)
        if head.is2M && index > 0 {
            // As RMPUPDATE leaves them, and the scan of an RMP expects them.
            if bits != head.bits & EntryWord.assignedBit { throw .size(page, raw) }
            if raw.high != 0 { losses.permissions += 1 }
            return
        }
        if entry.is2M && index > 0 || bits & EntryWord.spareMask != 0 { throw .size(page, raw) }
        // Whether an entry has a row in the table does not depend on its GPA.
        let kind = bits & ~EntryWord.gpaMask
        if kind != known {
            if PageState(RMPEntry(rawLow: bits)) == nil { throw .undescribed(page, raw) }
            known = kind
        }
        if raw.high != RawRMPEntry(RMPEntry(rawLow: bits)).high { losses.permissions += 1 }
    }

    // MARK: Owners

    /// Notes whose the pages of a chunk are.
    private mutating func noteOwners(
        _ chunk: Int,
        _ head: EntryWord,
        isUniform: Bool,
        _ words: UnsafeBufferPointer<UInt64>
    ) throws(AdoptionError) {
        var found: [(asid: UInt16, gpa: UInt64)] = []
        var isForeign = false
        var isFixed = false
        let first = UInt64(chunk) << 9
        for index in 0..<(head.is2M ? 1 : Granularity.pagesPerChunk) {
            let entry = index == 0 ? head : EntryWord(bits: words[2 * index])
            let page = PFN(first + UInt64(index))
            let isVMSA = entry.bits & EntryWord.vmsaBit != 0 && !entry.is2M
            if !entry.isAssigned {
                isFixed = isFixed || entry.isImmutable
            } else if entry.asid == 0 {
                if isVMSA && entry.isImmutable { contexts.append(page) } else { isForeign = true }
            } else if !machine.guests.asids.has(entry.asid) {
                losses.unknownASIDs += head.is2M ? Granularity.pagesPerChunk : 1
                isForeign = true
            } else if isVMSA {
                owners[entry.asid, default: Owner()].vmsas.append(page)
            } else if let place = found.firstIndex(where: { $0.asid == entry.asid }) {
                found[place].gpa = min(found[place].gpa, entry.gpa)
            } else {
                found.append((entry.asid, entry.gpa))
            }
            // One entry says it all.
            if isUniform && index == 0 && !isVMSA { break }
        }
        let bytes = UInt64(chunk) << 21
        for (asid, gpa) in found {
            guard machine.configuration.memory.contains(bytes..<(bytes + Granularity.chunk)) else {
                throw .noMemory(PFN(first), asid: asid)
            }
            owners[asid, default: Owner()].chunks.append((gpa, chunk))
            if head.is2M { owners[asid]?.isLarge = true }
        }
        if isForeign && !found.isEmpty { foreign.insert(chunk) }
        if isFixed || head.isImmutable && !head.isAssigned {
            if let last = fixed.last, last.upperBound == chunk {
                fixed[fixed.count - 1] = last.lowerBound..<(chunk + 1)
            } else {
                fixed.append(chunk..<(chunk + 1))
            }
        }
    }

    // MARK: The end

    /// Makes the guests: `asid5` owns what ASID 5 owns. RMPOPT has optimized whatever has no assigned page, as after a
    /// pass.
    ///
    /// - Returns: the machine, and what it does not keep.
    public consuming func finish() -> (machine: Machine, losses: AdoptionLosses) {
        for range in fixed { machine.guests.withhold(range) }
        var spare = contexts[...]
        var held: Set<Int> = []
        var shared = foreign
        for asid in owners.keys.sorted() {
            guard var owner = owners[asid] else { continue }
            owner.chunks.sort { ($0.gpa, $0.chunk) < ($1.gpa, $1.chunk) }
            for (_, chunk) in owner.chunks where !held.insert(chunk).inserted { shared.insert(chunk) }
            var events = machine.platform.events
            let id = machine.guests.adopt(
                asid: asid,
                chunks: owner.chunks.map(\.chunk),
                backing: owner.isLarge ? .size2M : .size4K,
                vmsas: owner.vmsas,
                context: spare.popFirst(),
                &events
            )
            machine.platform.events = events
            if let id { machine.platform.events.publish(.guest(id, .running)) }
            losses.guests += 1
        }
        losses.contexts = contexts.count
        losses.sharedChunks = shared.count
        // Pages that are nobody's stay when the guests of their chunk have gone.
        for page in spare where held.contains(Int(page.rawValue >> 9)) { foreign.insert(Int(page.rawValue >> 9)) }
        for chunk in foreign.sorted() { machine.guests.withhold(chunk..<(chunk + 1)) }
        for region in 0..<machine.regionCount {
            machine.platform.rmp.compact(region)
            if !machine.platform.rmp.isOptimizable(region), machine.platform.rmpopt.clear(region: region) {
                machine.platform.events.publish(.regionCleared(region))
            }
        }
        machine.platform.events.settle()
        return (machine, losses)
    }
}

extension Guests {
    /// A guest that already runs somewhere: it has its pages and its ASID.
    /// - Parameters:
    ///   - chunks: in the order of its guest physical addresses, as far as the RMP shows it; holes are left out.
    ///   - context: the Context page that it is given.
    fileprivate mutating func adopt(
        asid: UInt16,
        chunks: [Int],
        backing: Backing,
        vmsas: [PFN],
        context: PFN?,
        _ events: inout EventStream
    ) -> GuestID? {
        guard let id = try? create("asid\(asid)", &events), asids.take(asid, for: id) else { return nil }
        var runs: [ChunkRun] = []
        for chunk in chunks {
            allocator.hold(chunk)
            ChunkAllocator.append(ChunkRun(first: chunk, count: 1), to: &runs)
        }
        for page in vmsas + [context].compactMap({ $0 }) { controls.adopt(page, holding: &allocator) }
        self[id]?.asid = asid
        self[id]?.memoryBytes = UInt64(chunks.count) * Granularity.chunk
        self[id]?.backing = backing
        self[id]?.vcpus = min(max(vmsas.count, Guest.vcpuLimits.lowerBound), Guest.vcpuLimits.upperBound)
        self[id]?.chunks = runs
        self[id]?.vmsaPages = vmsas
        self[id]?.contextPage = context
        self[id]?.isAdopted = true
        self[id]?.state = .running
        return id
    }
}

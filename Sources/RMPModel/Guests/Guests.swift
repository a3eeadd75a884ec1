// SPDX-License-Identifier: Apache-2.0
// All guests and what they use of the host: names, memory, ASIDs. Launch and teardown have files of their own.

/// The guests of a machine.
struct Guests: Sendable {
    /// The most guests at a time, including ending ones: this bounds what clients can make the model store.
    static let limit = 65_536
    static let nameLimit = 255

    /// Only looked up, never iterated over: a dictionary's order differs from run to run.
    private var guests: [GuestID: Guest] = [:]
    private var ids: [GuestName: GuestID] = [:]
    /// The memory of the last large guest that has ended, until somebody takes it.
    var discarded: DiscardedMemory?
    /// All guests in the order of their creation, including removed ones that are still ending.
    private(set) var order: [GuestID] = []
    private var nextID: UInt64 = 1
    var asids: ASIDs
    var allocator: ChunkAllocator
    var controls = ControlPages()
    var leaked = LeakedPages()
    /// What the host holds for itself.
    var host = HostUse()
    /// How many chunks ordinary guests hold.
    var ordinaryChunks = 0
    /// Chunks that a machine with an adopted RMP gives to no guest.
    private(set) var withheld: [Range<Int>] = []
    let memory: MemoryMap
    let nodeCount: Int

    init(_ configuration: MachineConfiguration, firmware: Firmware) {
        memory = configuration.memory
        nodeCount = configuration.topology.nodeCount
        asids = ASIDs(count: configuration.processor.asidCount)
        allocator = ChunkAllocator(memory: memory)
        let reserved = [firmware.layout.head] + firmware.layout.segments.map(\.table) + firmware.pages.assigned
        for range in reserved + firmware.fixedRanges { allocator.reserve(range) }
        allocator.reserve(configuration.lateMemory)
        // A guest cannot get memory without RMP entries: RMPUPDATE would refuse it.
        let coverage = RMPCoverage(
            configuration.rmp,
            configuration.processor,
            regionCount: configuration.memory.regionCount
        )
        var end = 0
        for covered in coverage.chunks + [configuration.memory.regionCount << 9..<configuration.memory.regionCount << 9]
        {
            if end < covered.lowerBound {
                allocator.reserve(UInt64(end) << 21..<UInt64(covered.lowerBound) << 21)
            }
            end = covered.upperBound
        }
    }

    /// Withholds chunks for good: no guest gets them, except those that already hold a part of one.
    mutating func withhold(_ chunks: Range<Int>) {
        withheld.append(chunks)
        for chunk in chunks { allocator.hold(chunk) }
    }

    /// The ASID that a page must have to be the guest's, in a chunk that others hold, too; nil if all pages are its
    /// own.
    func asid(of guest: Guest, inChunk chunk: Int) -> UInt16? { allocator.isShared(chunk) ? guest.asid : nil }

    /// A guest, removed or not.
    subscript(id: GuestID) -> Guest? {
        _read { yield guests[id] }
        _modify { yield &guests[id] }
    }

    /// Whether any SNP guest is running or ending: firmware knows about such a guest.
    var anyLeft: Bool {
        order.contains { id in
            guests[id].map { $0.type == .snp && ($0.state == .running || $0.state == .ending) } ?? false
        }
    }

    /// The guest that has an ASID.
    func id(withASID asid: UInt16) -> GuestID? { asids.holder(of: asid) }

    /// The guest with a name; a removed guest has none.
    func id(named name: GuestName) -> GuestID? { ids[name] }

    mutating func create(_ name: GuestName, _ events: inout EventStream) throws(CommandError) -> GuestID {
        let bytes = name.bytes
        if bytes.isEmpty || bytes.count > Guests.nameLimit || bytes.contains(0) || bytes.contains(UInt8(ascii: "/")) {
            throw .invalid(.name)
        }
        if ids[name] != nil { throw .exists(name) }
        if order.count >= Guests.limit { throw .tooManyGuests(limit: Guests.limit) }
        let id = GuestID(nextID)
        nextID += 1
        guests[id] = Guest(id: id, name: name)
        ids[name] = id
        order.append(id)
        events.publish(.guestCreated(id, name: name))
        return id
    }

    mutating func setType(_ id: GuestID, _ type: GuestType, _ events: inout EventStream) throws(CommandError) {
        try requireStopped(id)
        if guests[id]?.type == type { return }
        guests[id]?.type = type
        events.publish(.guestType(id, type))
    }

    mutating func setMemory(_ id: GuestID, _ bytes: UInt64) throws(CommandError) {
        try requireStopped(id)
        if !bytes.isMultiple(of: Granularity.page) { throw .invalid(.memoryGranularity(bytes)) }
        if bytes > memory.bytes { throw .noMemory(requested: bytes, available: memory.bytes) }
        guests[id]?.memoryBytes = bytes
    }

    mutating func setBacking(_ id: GuestID, _ backing: Backing) throws(CommandError) {
        try requireStopped(id)
        guests[id]?.backing = backing
    }

    /// Checks what it can about ranges without looking at what is free now; the launch checks the rest.
    mutating func setPlacement(_ id: GuestID, _ placement: Placement) throws(CommandError) {
        try requireStopped(id)
        if case .ranges(let ranges) = placement {
            if ranges.isEmpty { throw .placement(.noRanges) }
            for addresses in ranges {
                let range = addresses.raw
                if range.isEmpty || (range.lowerBound | range.upperBound) & (Granularity.chunk - 1) != 0 {
                    throw .placement(.granularity(addresses, unit: Granularity.chunk))
                }
                if !memory.contains(range) { throw .placement(.notMemory(addresses)) }
            }
        }
        guests[id]?.placement = placement
    }

    mutating func setNode(_ id: GuestID, _ node: Int?) throws(CommandError) {
        try requireStopped(id)
        if let node {
            guard 0..<nodeCount ~= node else { throw .placement(.noSuchNode(node)) }
            if memory.range(ofNode: node) == nil { throw .placement(.nodeWithoutMemory(node)) }
        }
        guests[id]?.node = node
    }

    mutating func setVCPUs(_ id: GuestID, _ count: Int) throws(CommandError) {
        try requireStopped(id)
        if !Guest.vcpuLimits.contains(count) { throw .invalid(.vcpus(count)) }
        guests[id]?.vcpus = count
    }

    /// The guest, unless it does not exist or was removed.
    func known(_ id: GuestID) throws(CommandError) -> Guest {
        guard let guest = guests[id], !guest.isRemoved else { throw .noSuchGuest(id) }
        return guest
    }

    private func requireStopped(_ id: GuestID) throws(CommandError) {
        switch try known(id).state {
        case .stopped: return
        case .running, .created: throw .busy(.guestRunning)
        case .ending: throw .busy(.guestEnding)
        }
    }

    /// Makes a stopped guest a VM: an SNP guest takes an ASID.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c, `__sev_guest_init()`.
    ///
    /// - Throws: `.noASID`.
    mutating func createVM(_ id: GuestID, _ events: inout EventStream) throws(CommandError) {
        let guest = try known(id)
        if guest.state != .stopped { return }
        if guest.type == .snp {
            guard let asid = asids.take(for: id) else { throw .noASID }
            guests[id]?.asid = asid
        }
        guests[id]?.state = .created
        events.publish(.guest(id, .created))
    }

    /// A new kernel knows no VMs: those that were only created are gone, and so are ordinary guests. That these end
    /// with the kernel, where SNP guests keep it from going, is a choice.
    mutating func forgetVMs(_ events: inout EventStream) {
        for id in order {
            guard let guest = guests[id] else { continue }
            if guest.type == .ordinary {
                endOrdinary(id, &events)
            } else if guest.state == .created {
                if let asid = guest.asid { asids.release(asid) }
                guests[id]?.asid = nil
                guests[id]?.state = .stopped
                events.publish(.guest(id, .stopped))
            }
        }
    }

    /// Ends an ordinary guest, if it is running or created: its memory is free at once. No page of it is assigned by
    /// its launch, so none has to go back through RMPUPDATE.
    mutating func endOrdinary(_ id: GuestID, _ events: inout EventStream) {
        guard let guest = guests[id], guest.state != .stopped else { return }
        allocator.release(guest.chunks)
        ordinaryChunks -= guest.state == .running ? guest.chunkCount : 0
        if guest.chunks.count >= DiscardedMemory.least { discarded = DiscardedMemory(chunks: guest.chunks) }
        guests[id]?.chunks = []
        guests[id]?.state = .stopped
        events.publish(.guest(id, .stopped))
    }

    /// Frees the name at once; the guest itself goes once none of its pages is left.
    mutating func remove(_ id: GuestID, _ events: inout EventStream) throws(CommandError) {
        let guest = try known(id)
        ids[guest.name] = nil
        ids.giveRoomBack()
        guests[id]?.isRemoved = true
        events.publish(.guestRemoved(id, isEnding: guest.state != .stopped))
        if guest.state == .stopped { forget(id) }
    }

    /// Drops a removed guest that no longer holds anything.
    mutating func forget(_ id: GuestID) {
        guests[id] = nil
        // The order is ascending, so a binary search finds one guest among many thousands.
        var (low, high) = (0, order.count)
        while low < high {
            let middle = (low + high) / 2
            if order[middle] < id { low = middle + 1 } else { high = middle }
        }
        if low < order.count && order[low] == id { order.remove(at: low) }
        order.giveRoomBack()
        guests.giveRoomBack()
    }
}

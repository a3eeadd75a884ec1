// SPDX-License-Identifier: Apache-2.0
// Random steps by weight, and the values in them. Few chunks, pages, ASIDs, names and sizes, so that steps collide.

@testable import RMPModel

/// Where a sequence's steps come from.
struct Generator {
    /// One kind of step: how often it comes, the name under which it is counted, and what it is.
    struct Row: Sendable {
        let weight: UInt64
        let kind: String
        let make: @Sendable (inout Generator, NaiveMachine) -> Action

        init(_ weight: UInt64, _ kind: String, _ make: @escaping @Sendable (inout Generator, NaiveMachine) -> Action) {
            self.weight = weight
            self.kind = kind
            self.make = make
        }

        /// A command.
        static func command(
            _ weight: UInt64,
            _ kind: String,
            _ make: @escaping @Sendable (inout Generator, NaiveMachine) -> Command
        ) -> Row {
            Row(weight, kind) { generator, naive in .perform(make(&generator, naive)) }
        }
    }

    var random: Random
    private let rows: [Row]
    private let sum: UInt64
    /// Chunks that most addresses lie in: those with pages of firmware and of the RMP, and some others.
    private let taken: [UInt64]
    private let others: [UInt64]
    /// Chunks for 2 MB entries, seldom touched page by page.
    private let wide: [UInt64]
    private var isFilling = true
    /// Pages that firmware holds at the beginning, the RMP's first one among them.
    private let buffers: [UInt64]

    init(seed: UInt64, _ rows: [Row], _ configuration: MachineConfiguration) {
        var random = Random(seed: seed)
        self.rows = rows
        sum = rows.reduce(0) { $0 + $1.weight }
        let buffers = configuration.firmware.assigned.flatMap { [$0.lowerBound >> 21, ($0.upperBound - 1) >> 21] }
        taken = [0, configuration.rmp.head.lowerBound >> 21] + buffers
        let count = UInt64(configuration.memory.regionCount * 512)
        others = (0..<6).map { _ in random.next() % count }
        wide = (0..<4).map { _ in random.next() % count }
        let ends = configuration.firmware.assigned.flatMap { [$0.lowerBound, $0.upperBound - 4096] }
        self.buffers = [configuration.rmp.head.lowerBound] + ends
        self.random = random
    }

    /// The next step and its kind.
    mutating func step(_ naive: NaiveMachine) -> (step: Step, kind: String) {
        let after: UInt64 =
            switch random.next() % 128 {
            case 0..<96: 0
            case 96..<116: random.next() % 300
            case 116..<126: random.next() % 100_000
            case 126: random.next() % 10_000_000
            default: random.next() % 12_000_000_000
            }
        var ticket = random.next() % sum
        for row in rows {
            if ticket < row.weight { return (Step(after: after, row.make(&self, naive)), row.kind) }
            ticket -= row.weight
        }
        return (Step(after: after, .wait), "wait")
    }

    // MARK: Values

    mutating func pick<Value>(_ values: [Value]) -> Value { values[Int(random.next() % UInt64(values.count))] }

    mutating func address(_ naive: NaiveMachine) -> SPA {
        if random.chance(200) { return SPA(random.next()) }
        if random.chance(60) { return SPA(random.next() % (UInt64(naive.rmp.regionCount + 1) << 30)) }
        let pages: UInt64 = random.chance(4) ? 512 : 5
        let page = random.chance(5) ? 0 : random.next() % pages
        return SPA((random.chance(5) ? pick(taken) : pick(others)) << 21 + page << 12)
    }

    /// A chunk with 2 MB entries.
    mutating func wideChunk() -> SPA { SPA(pick(wide) << 21) }

    /// An update in one chunk whose pages first become all different, then all alike, and so on, which takes it through
    /// every form in which the machine keeps a chunk.
    mutating func denseUpdate() -> Command {
        if random.chance(1_500) { isFilling.toggle() }
        let spa = SPA(wide[0] << 21 + (random.next() % 512) << 12)
        if !isFilling { return .rmpupdate(spa, RMPUpdateInput()) }
        return .rmpupdate(spa, RMPUpdateInput(gpa: GPA(random.next()), assigned: !random.chance(4)))
    }

    /// A page that firmware holds at the beginning.
    mutating func buffer() -> SPA { SPA(pick(buffers)) }

    /// A guest's chunk with a 2 MB entry; any address of a guest when there is none.
    mutating func guest2M(_ naive: NaiveMachine) -> SPA {
        let chunks = naive.guests.keys.sorted().flatMap { naive.guests[$0]?.chunks.dropFirst(8) ?? [] }
        let covered = chunks.first { naive.rmp.isCovered($0 * 512) }
        return covered.map { SPA($0 << 21) } ?? guestAddress(naive)
    }

    /// A running guest's chunk with a 2 MB entry; only a page of it if the entry refuses to be split, or, now and then,
    /// if it does not. Any guest and pages when there is no such chunk.
    mutating func pages2M(_ naive: NaiveMachine) -> (GuestID, Range<UInt64>) {
        for (id, guest) in naive.guests.sorted(by: { $0.key < $1.key }) where guest.state == .running {
            let index = guest.chunks.indices.dropFirst(8).first { naive.rmp.isCovered(guest.chunks[$0] * 512) }
            guard let index else { continue }
            let entry = naive.rmp[guest.chunks[index] * 512]
            let chunk = UInt64(index) << 21
            if !entry.immutable && !entry.locked && !random.chance(8) {
                return (GuestID(id), chunk..<(chunk + 2 << 20))
            }
            let first = chunk + (random.next() % guest.pages(ofChunk: index)) << 12
            return (GuestID(id), first..<(first + 4096))
        }
        let id = guest(naive)
        return (id, pages(naive, id))
    }

    /// An update that brings a page to one of the states that RMPUPDATE can write.
    mutating func input(_ size: PageSize) -> RMPUpdateInput {
        let gpa = GPA(0x4000_0000 + (random.next() % 4) << 21)
        let asid = UInt32(random.next() % 2 + 1)
        return switch random.next() % 8 {
        case 0, 1: RMPUpdateInput(pageSize: size)
        case 2: RMPUpdateInput(gpa: gpa, assigned: true, pageSize: size)
        case 3: RMPUpdateInput(assigned: true, pageSize: size, immutable: true)
        case 4: RMPUpdateInput(gpa: GPA(0x1000), assigned: true, pageSize: size, immutable: true)
        case 5: RMPUpdateInput(gpa: gpa, assigned: true, pageSize: size, immutable: true)
        case 6: RMPUpdateInput(gpa: gpa, assigned: true, pageSize: size, immutable: true, asid: asid)
        default: RMPUpdateInput(gpa: gpa, assigned: true, pageSize: size, asid: asid)
        }
    }

    /// A chunk that nobody holds at the beginning.
    mutating func chunk() -> SPA { SPA(pick(others) << 21) }

    /// An address in a guest's memory or just past a chunk of it, or a control page; any other address when it has
    /// none.
    mutating func guestAddress(_ naive: NaiveMachine) -> SPA {
        guard let guest = naive.guests[guest(naive).rawValue], !guest.chunks.isEmpty else { return address(naive) }
        if random.chance(16) && !guest.controls.isEmpty { return SPA(pick(guest.controls) << 12) }
        return SPA(pick(guest.chunks) << 21 + (random.chance(3) ? 0 : random.next() % 600) << 12)
    }

    mutating func input(_ spa: SPA, _ size: PageSize) -> RMPUpdateInput {
        let assigned = size == .size2M ? random.chance(2) : !random.chance(3)
        let gpa: UInt64 =
            switch random.next() % 12 {
            case 0, 1: 0
            case 2: 0x1000
            case 3: random.next()
            default: 0x4000_0000 + spa.rawValue % (1 << 21)
            }
        return RMPUpdateInput(
            gpa: GPA(gpa),
            assigned: assigned,
            pageSize: size,
            immutable: random.chance(assigned ? size == .size2M ? 4 : 40 : 60),
            asid: assigned || random.chance(20) ? asid() : 0
        )
    }

    private mutating func asid() -> UInt32 {
        random.chance(300) ? UInt32(truncatingIfNeeded: random.next()) : UInt32(random.next() % 3)
    }

    mutating func guest(_ naive: NaiveMachine) -> GuestID {
        if random.chance(40) { return GuestID(random.next() % (naive.guestCount + 2)) }
        return GuestID(naive.guests.keys.sorted().randomElement(using: &random) ?? 1)
    }

    /// Usually small, since the naive model writes page by page; with 1 GB folios, often a whole one.
    mutating func memory(_ naive: NaiveMachine, _ id: GuestID) -> UInt64 {
        if naive.guests[id.rawValue]?.backing == .size1G && random.chance(2) { return 1 << 30 }
        switch random.next() % 64 {
        case 0: return random.next()
        case 1: return random.next() / 8192 * 4096
        case 12: return (2 << 30) - (random.next() % 8) << 20
        case 2: return 16 << 20 + (random.next() % 3) << 20
        case 5...7: return (random.next() % 3 + 1) << 21
        case 8...11: return (random.next() % 3) << 21 + (random.next() % 20) << 12
        default: return (random.next() % 24) << 12
        }
    }

    /// A range of a guest's pages, usually inside its memory.
    mutating func pages(_ naive: NaiveMachine, _ id: GuestID) -> Range<UInt64> {
        let memory = naive.guests[id.rawValue]?.memory ?? 0
        if random.chance(24) { return (random.next() >> 20)..<(1 << 44 + random.next() >> 20) }
        if memory == 0 { return 0..<4096 }
        // Past the initial image, entries are of 2 MB.
        if memory > 16 << 20 && random.chance(2) {
            let chunk: UInt64 = 16 << 20
            if random.chance(2) { return chunk..<min(chunk + 2 << 20, memory) }
            let first = chunk + (random.next() % ((memory - chunk) >> 12)) << 12
            return first..<min(first + (random.next() % 4 + 1) << 12, memory)
        }
        let first = (random.next() % (memory >> 12)) << 12
        return first..<min(first + (random.next() % 16 + 1) << 12, random.chance(40) ? .max : memory)
    }

    mutating func placement(_ naive: NaiveMachine) -> Placement {
        switch random.next() % 12 {
        case 0...4: return .packed
        case 5, 6: return .local
        case 7: return .aligned
        case 8: return .scattered(seed: random.next())
        case 9 where random.chance(2): return .ranges([(1 << 30)..<(1 << 30 + 4 << 20)])
        case 9:
            let first = random.chance(4) ? random.next() % (1 << 33) : (random.next() % 512) << 21
            return .ranges(random.chance(8) ? [] : [first..<(first + (random.next() % 4) << 21)])
        case 10: return .ranges([(2 << 30)..<(2 << 30 + 4 << 20), (1 << 30)..<(1 << 30 + 4 << 20)])
        default:
            let first = chunk().rawValue
            return .ranges([first..<(first + 2 << 20), (first + 4 << 20)..<(first + 8 << 20)])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The free lists of Linux's page allocator for one node: orders 0 to 10, last in first out, split and merge, and two
// types of memory that borrow from each other.

/// What kind of pages a list of the page allocator holds.
enum MigrateType: Int, Sendable, CaseIterable {
    /// Pages that the kernel could move: anonymous memory and page cache.
    case movable
    /// Pages that it cannot: its own, and guest_memfd's, whose mapping has no __GFP_MOVABLE.
    case unmovable

    var other: MigrateType { self == .movable ? .unmovable : .movable }
}

/// The free lists.
///
/// Source: Linux mm/page_alloc.c, `__rmqueue_smallest()`, `expand()`, `__free_one_page()`, `__rmqueue_fallback()`,
/// `try_to_claim_block()`. Left out: per-CPU lists, the reclaimable type, high-atomic reserves, watermarks, compaction,
/// and the shuffling of free lists.
///
/// A block of order 10 is never looked up by its address, as it merges no further: runs of such blocks are kept as
/// one. So the lists cost memory in proportion to fragments.
struct BuddyLists: Sendable {
    static let maxOrder = 10
    /// `pageblock_order` on x86 with huge pages.
    static let pageblockOrder = 9

    /// A free block below order 10, in a list that goes both ways.
    private struct Block: Sendable {
        let order: Int8
        let type: MigrateType
        var previous: Int32
        var next: Int32
        let page: Int
    }

    private static let none: Int32 = -1
    /// The lists of order 10: an array of them would cost a look more at each block.
    private var movable = BlockRuns()
    private var unmovable = BlockRuns()
    /// The heads of the lists below order 10, by type and order.
    private var heads = [Int32](repeating: none, count: 2 * maxOrder)
    private var pool: [Block] = []
    private var unused: [Int32] = []
    /// Free blocks below order 9, by their first page.
    private var small: [Int: Int32] = [:]
    /// Free blocks of order 9, by the number of their pageblock: 4 bytes for each 2 MB.
    private var large: [Int32]
    /// Free pages of each type.
    private(set) var free = [0, 0]
    /// The type of each pageblock: 1 for unmovable.
    private var types: [UInt64]

    /// - Parameters:
    ///   - memory: free memory in pages, ascending; blocks are made of it in order of their addresses, as at boot.
    ///   - pages: pages of the host.
    init(_ memory: [Range<Int>], pages: Int) {
        types = [UInt64](repeating: 0, count: ((pages >> BuddyLists.pageblockOrder) + 64) / 64)
        large = [Int32](repeating: BuddyLists.none, count: (pages >> BuddyLists.pageblockOrder) + 2)
        // The lowest block is to be the first that is taken.
        for range in memory.reversed() {
            var pieces: [(page: Int, order: Int)] = []
            BuddyLists.forEachBlock(of: range) { pieces.append(($0, $1)) }
            for piece in pieces.reversed() { insert(piece.page, piece.order, .movable) }
        }
    }

    // MARK: Taking and giving back

    /// Takes `count` blocks of an order.
    ///
    /// - Returns: runs of pages in the order in which they were taken; nil, with nothing taken, if they are too few.
    mutating func take(_ count: Int, order: Int, _ type: MigrateType) -> [PageRun]? {
        var left = count
        var taken: [PageRun] = []
        while left > 0 {
            guard let block = smallest(order, type) ?? fallback(order, type) else {
                for run in taken { giveBack(run) }
                return nil
            }
            // A larger block serves all its parts one after the other, lowest first: each split leaves the upper halves
            // at the heads of their lists.
            let whole = 1 << (block.order - order)
            if whole <= left {
                PageRun.append(PageRun(first: block.page, count: 1 << block.order), to: &taken)
                left -= whole
                // While whole blocks of order 10 are taken, no smaller one comes into being.
                if block.order == BuddyLists.maxOrder && block.type == type {
                    let more = withBlocks(type) { $0.pop(left / whole, to: &taken) }
                    free[type.rawValue] -= more << BuddyLists.maxOrder
                    left -= whole * more
                }
                continue
            }
            let pages = left << order
            PageRun.append(PageRun(first: block.page, count: pages), to: &taken)
            var pieces: [(page: Int, order: Int)] = []
            BuddyLists.forEachBlock(of: (block.page + pages)..<(block.page + 1 << block.order)) {
                pieces.append(($0, $1))
            }
            // Those that were split off first are the largest, and lie highest.
            for piece in pieces.reversed() { insert(piece.page, piece.order, block.type) }
            left = 0
        }
        return taken
    }

    /// Gives pages back, the lowest first.
    mutating func giveBack(_ run: PageRun) {
        var page = run.first
        let end = run.first + run.count
        while page < end {
            let order = BuddyLists.largestOrder(of: page..<end)
            free(page, order)
            page += 1 << order
        }
    }

    /// Gives the pages of many runs back, one after the other.
    mutating func giveBack(_ runs: ArraySlice<PageRun>) {
        var index = runs.startIndex
        while true {
            giveBackBlocks(runs, &index)
            if index == runs.endIndex { return }
            giveBack(runs[index])
            index += 1
        }
    }

    /// Gives back runs as long as they are made of whole blocks of order 10: these merge with nothing.
    private mutating func giveBackBlocks(_ runs: ArraySlice<PageRun>, _ index: inout Int) {
        var pages = (movable: 0, unmovable: 0)
        types.withUnsafeMutableBufferPointer { types in
            while index < runs.endIndex {
                let run = runs[index]
                if (run.first | run.count) & (BlockRuns.size - 1) != 0 { break }
                for page in stride(from: run.first, to: run.first + run.count, by: BlockRuns.size) {
                    // As `free(_:_:)`: the second pageblock takes on the type of the first.
                    let block = page >> BuddyLists.pageblockOrder
                    let both: UInt64 = 3 << UInt64(block & 63)
                    let found = types[block >> 6] & both
                    let isUnmovable = types[block >> 6] >> UInt64(block & 63) & 1 != 0
                    if found != (isUnmovable ? both : 0) { types[block >> 6] ^= found ^ (isUnmovable ? both : 0) }
                    if isUnmovable {
                        unmovable.push(page)
                        pages.unmovable += BlockRuns.size
                    } else {
                        movable.push(page)
                        pages.movable += BlockRuns.size
                    }
                }
                index += 1
            }
        }
        free[MigrateType.movable.rawValue] += pages.movable
        free[MigrateType.unmovable.rawValue] += pages.unmovable
    }

    /// The order of the largest aligned block at the beginning of a range.
    private static func largestOrder(of range: Range<Int>) -> Int {
        let aligned = range.lowerBound == 0 ? maxOrder : min(maxOrder, range.lowerBound.trailingZeroBitCount)
        return min(aligned, (Int.bitWidth - 1) - range.count.leadingZeroBitCount)
    }

    /// Takes whole blocks of order 10 that cover a range out of the lists, as `alloc_contig_range()` does for a
    /// gigabyte that is wholly free.
    mutating func takeRange(_ range: Range<Int>) {
        for type in MigrateType.allCases {
            free[type.rawValue] -= withBlocks(type) { $0.remove(range) } << BuddyLists.maxOrder
        }
    }

    /// Free blocks of an order, over both types.
    func count(ofOrder order: Int) -> Int {
        if order == BuddyLists.maxOrder { return movable.count + unmovable.count }
        if order == BuddyLists.pageblockOrder { return large.count { $0 != BuddyLists.none } }
        return small.values.count { Int(pool[Int($0)].order) == order }
    }

    /// The free block of an order that begins with a page.
    private func place(_ page: Int, _ order: Int) -> Int32? {
        if order < BuddyLists.pageblockOrder {
            return small[page].flatMap { Int(pool[Int($0)].order) == order ? $0 : nil }
        }
        let place = large[page >> BuddyLists.pageblockOrder]
        return place == BuddyLists.none ? nil : place
    }

    // MARK: Lists

    /// Changes the list of order 10 of a type.
    @inline(__always)
    private mutating func withBlocks<Result>(_ type: MigrateType, _ body: (inout BlockRuns) -> Result) -> Result {
        type == .movable ? body(&movable) : body(&unmovable)
    }

    private mutating func smallest(_ order: Int, _ type: MigrateType) -> (page: Int, order: Int, type: MigrateType)? {
        for order in order..<BuddyLists.maxOrder {
            let head = heads[type.rawValue * BuddyLists.maxOrder + order]
            if head == BuddyLists.none { continue }
            let page = pool[Int(head)].page
            remove(head)
            return (page, order, type)
        }
        guard let page = withBlocks(type, { $0.pop() }) else { return nil }
        free[type.rawValue] -= 1 << BuddyLists.maxOrder
        return (page, BuddyLists.maxOrder, type)
    }

    /// The type has run out: the largest block of the other type is claimed. From a whole pageblock on, it changes its
    /// type; a smaller one takes its pageblock's other free pages with it if that is worth it.
    private mutating func fallback(_ order: Int, _ type: MigrateType) -> (page: Int, order: Int, type: MigrateType)? {
        let other = type.other
        for large in stride(from: BuddyLists.maxOrder, through: order, by: -1) {
            let page: Int
            if large == BuddyLists.maxOrder {
                guard let head = other == .movable ? movable.head : unmovable.head else { continue }
                page = head
            } else {
                let head = heads[other.rawValue * BuddyLists.maxOrder + large]
                if head == BuddyLists.none { continue }
                page = pool[Int(head)].page
            }
            if large >= BuddyLists.pageblockOrder {
                _ = takeHead(large, other)
                setType(page, large, type)
                return (page, large, type)
            }
            // `should_try_claim_block()`: unmovable requests, and large ones, try to claim the pageblock.
            if type == .unmovable || large >= BuddyLists.pageblockOrder / 2 { claim(page, type) }
            if let found = smallest(order, type) { return found }
            guard let page = takeHead(large, other) else { continue }
            return (page, large, other)
        }
        return nil
    }

    private mutating func takeHead(_ order: Int, _ type: MigrateType) -> Int? {
        if order == BuddyLists.maxOrder {
            guard let page = withBlocks(type, { $0.pop() }) else { return nil }
            free[type.rawValue] -= 1 << BuddyLists.maxOrder
            return page
        }
        let head = heads[type.rawValue * BuddyLists.maxOrder + order]
        if head == BuddyLists.none { return nil }
        let page = pool[Int(head)].page
        remove(head)
        return page
    }

    /// Moves the free pages of a pageblock to a type if at least half of it is free.
    private mutating func claim(_ page: Int, _ type: MigrateType) {
        let start = page & ~511
        var found: [(page: Int, order: Int)] = []
        var at = start
        var pages = 0
        while at < start + 512 {
            if let place = small[at] {
                let order = Int(pool[Int(place)].order)
                found.append((at, order))
                pages += 1 << order
                at += 1 << order
            } else {
                at += 1
            }
        }
        if pages < 256 { return }
        for block in found {
            if let place = small[block.page], pool[Int(place)].type != type {
                remove(place)
                insert(block.page, block.order, type)
            }
        }
        setType(start, BuddyLists.pageblockOrder, type)
    }

    private func type(of page: Int) -> MigrateType {
        let block = page >> BuddyLists.pageblockOrder
        return types[block >> 6] >> UInt64(block & 63) & 1 != 0 ? .unmovable : .movable
    }

    private mutating func setType(_ page: Int, _ order: Int, _ type: MigrateType) {
        let first = page >> BuddyLists.pageblockOrder
        if order == BuddyLists.maxOrder {
            // Two aligned pageblocks: bits of one word.
            let bits: UInt64 = 3 << UInt64(first & 63)
            let word = types[first >> 6]
            let new = type == .unmovable ? word | bits : word & ~bits
            if new != word { types[first >> 6] = new }
            return
        }
        for block in first..<(first + max(1, (1 << order) >> BuddyLists.pageblockOrder)) {
            if type == .unmovable {
                types[block >> 6] |= 1 << UInt64(block & 63)
            } else {
                types[block >> 6] &= ~(1 << UInt64(block & 63))
            }
        }
    }

    /// `__free_one_page()`: merges with the buddy while that is free, and puts the block at the head of its list. Its
    /// type is that of its pageblock.
    private mutating func free(_ first: Int, _ start: Int) {
        var (page, order) = (first, start)
        while order < BuddyLists.maxOrder {
            let buddy = page ^ (1 << order)
            guard let place = place(buddy, order) else { break }
            remove(place)
            page &= ~(1 << order)
            order += 1
        }
        let type = type(of: first)
        // Of two pageblocks that merge, the other takes on the type, so that a later split finds its lists.
        if order > BuddyLists.pageblockOrder { setType(page, order, type) }
        insert(page, order, type)
    }

    private mutating func insert(_ page: Int, _ order: Int, _ type: MigrateType) {
        free[type.rawValue] += 1 << order
        if order == BuddyLists.maxOrder {
            withBlocks(type) { $0.push(page) }
            return
        }
        let list = type.rawValue * BuddyLists.maxOrder + order
        let block = Block(
            order: Int8(truncatingIfNeeded: order),
            type: type,
            previous: BuddyLists.none,
            next: heads[list],
            page: page
        )
        let place: Int32
        if let known = unused.popLast() {
            place = known
            pool[Int(place)] = block
        } else {
            place = Int32(truncatingIfNeeded: pool.count)
            pool.append(block)
        }
        if block.next != BuddyLists.none { pool[Int(block.next)].previous = place }
        heads[list] = place
        if order == BuddyLists.pageblockOrder {
            large[page >> BuddyLists.pageblockOrder] = place
        } else {
            small[page] = place
        }
    }

    private mutating func remove(_ place: Int32) {
        let block = pool[Int(place)]
        free[block.type.rawValue] -= 1 << Int(block.order)
        if block.previous == BuddyLists.none {
            heads[block.type.rawValue * BuddyLists.maxOrder + Int(block.order)] = block.next
        } else {
            pool[Int(block.previous)].next = block.next
        }
        if block.next != BuddyLists.none { pool[Int(block.next)].previous = block.previous }
        if Int(block.order) == BuddyLists.pageblockOrder {
            large[block.page >> BuddyLists.pageblockOrder] = BuddyLists.none
        } else {
            small[block.page] = nil
        }
        unused.append(place)
    }

    /// Calls `body` with the largest aligned blocks that make up a range, ascending.
    private static func forEachBlock(of range: Range<Int>, _ body: (_ page: Int, _ order: Int) -> Void) {
        var page = range.lowerBound
        while page < range.upperBound {
            let order = largestOrder(of: page..<range.upperBound)
            body(page, order)
            page += 1 << order
        }
    }
}

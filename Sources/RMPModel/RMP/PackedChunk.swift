// SPDX-License-Identifier: Apache-2.0
// The form of a mixed chunk of many different entries: 512 fields, as wide as its owners and addresses need. A chunk in
// which no two pages are alike takes about 2 KB instead of 4 KB.

/// How the words of a chunk in packed form are laid out:
///
///     header, prefix, owners (two a word), 512 fields without gaps
///
/// A field holds the low bits of the page's GPA, and above them its owner. An owner is everything in an entry except
/// its GPA, 16 bits. If a chunk has few different owners, a field holds a number in the table of owners; if it has
/// many, it holds the owner itself, and there is no table. All GPAs of a chunk share the bits above those in the
/// fields: the prefix.
///
/// Widths only grow while a chunk stays in this form, so at most a few dozen updates in its life move all fields.
struct ChunkPacking: Sendable {
    /// 1 ... `mostTableBits`: an owner's number in the table; `directBits`: the owner itself.
    let ownerBits: Int
    /// 0 ... 39: the bits of a GPA's page number that a field holds.
    let addressBits: Int

    /// A table of 64 owners is 256 bytes; one of 128 would need as much as the owners themselves.
    static let mostTableBits = 6
    static let directBits = 16

    private static let ownerShift: UInt64 = 10
    private static let addressShift: UInt64 = 16

    /// - Parameters:
    ///   - owners: the number of different owners, 1 ... 512.
    ///   - differing: bits in which the GPAs' page numbers differ.
    ///   - before: the chunk's packing so far.
    init(owners: Int, differing: UInt64, before: ChunkPacking?) {
        let tableBits = max(1, before?.ownerBits ?? 1, Int.bitWidth - (owners - 1).leadingZeroBitCount)
        ownerBits = tableBits > ChunkPacking.mostTableBits ? ChunkPacking.directBits : tableBits
        addressBits = max(before?.addressBits ?? 0, UInt64.bitWidth - differing.leadingZeroBitCount)
    }

    /// The packing that a header describes.
    @inline(__always)
    init(header: UInt64) {
        ownerBits = Int(truncatingIfNeeded: header >> ChunkPacking.ownerShift & 0x1f)
        addressBits = Int(truncatingIfNeeded: header >> ChunkPacking.addressShift & 0x3f)
    }

    /// Its part of a header.
    var headerBits: UInt64 {
        UInt64(ownerBits) << ChunkPacking.ownerShift | UInt64(addressBits) << ChunkPacking.addressShift
    }

    var isDirect: Bool { ownerBits == ChunkPacking.directBits }
    /// The number of owners in the table.
    var tableSize: Int { isDirect ? 0 : 1 << ownerBits }
    var width: Int { ownerBits + addressBits }
    /// Where the fields begin.
    var firstField: Int { 2 + tableSize / 2 }
    /// The number of words of the whole chunk: 512 fields of n bits are 8 * n words.
    var wordCount: Int { firstField + Granularity.pagesPerChunk / 64 * width }
    var addressMask: UInt64 { 1 << UInt64(addressBits) - 1 }
    var fieldMask: UInt64 { 1 << UInt64(width) - 1 }
}

extension MixedChunk {
    private static let prefixPlace = 1
    private static let tableStart = 2
    private static let pairUnit: UInt64 = 1 << 32
    /// A packed chunk of at most this many runs returns to the palette form; well below the palette's size, so that a
    /// chunk on the border does not change its form with each update.
    private static let runsForPalette = paletteSlots / 2

    /// Bits 2:0 and 63:51 of an entry: all but the GPA and the derived count.
    @inline(__always)
    private static func owner(of entry: EntryWord) -> UInt64 { entry.bits & 7 | (entry.bits >> 51) << 3 }

    @inline(__always)
    private static func address(of entry: EntryWord) -> UInt64 { (entry.bits & EntryWord.gpaMask) >> 12 }

    @inline(__always)
    private static func entry(_ owner: UInt64, _ address: UInt64) -> EntryWord {
        EntryWord(bits: owner & 7 | (owner >> 3) << 51 | address << 12)
    }

    // MARK: Fields

    @inline(__always)
    private func field(_ index: Int, _ packing: ChunkPacking) -> UInt64 {
        let bit = index &* packing.width
        let place = packing.firstField &+ (bit >> 6)
        let shift = UInt64(truncatingIfNeeded: bit & 63)
        var field = words[place] &>> shift
        // All fields together fill their words, so the next word exists.
        if Int(shift) + packing.width > 64 { field |= words[place + 1] &<< (64 - shift) }
        return field & packing.fieldMask
    }

    @inline(__always)
    private mutating func setField(_ index: Int, _ packing: ChunkPacking, _ field: UInt64) {
        let bit = index &* packing.width
        let place = packing.firstField &+ (bit >> 6)
        let shift = UInt64(truncatingIfNeeded: bit & 63)
        let mask = packing.fieldMask
        words[place] = words[place] & ~(mask &<< shift) | field &<< shift
        if Int(shift) + packing.width > 64 {
            words[place + 1] = words[place + 1] & ~(mask &>> (64 - shift)) | field &>> (64 - shift)
        }
    }

    /// The value of page `index`, GPA moved back.
    @inline(__always)
    func packedValue(at index: Int, _ packing: ChunkPacking) -> EntryWord {
        let field = field(index, packing)
        let number = field >> UInt64(packing.addressBits)
        let owner = packing.isDirect ? number : tableEntry(Int(number)) & 0xffff
        let address = words[MixedChunk.prefixPlace] | field & packing.addressMask
        return MixedChunk.entry(owner, address).advanced(pages: -index)
    }

    // MARK: The table of owners

    /// The owner in bits 15:0 and how many pages have it in bits 31:16; 0 is a free slot.
    @inline(__always)
    private func tableEntry(_ number: Int) -> UInt64 {
        words[MixedChunk.tableStart + number >> 1] >> UInt64((number & 1) * 32) & 0xffff_ffff
    }

    @inline(__always)
    private mutating func setTableEntry(_ number: Int, _ entry: UInt64) {
        let shift = UInt64((number & 1) * 32)
        let place = MixedChunk.tableStart + number >> 1
        words[place] = words[place] & ~(0xffff_ffff << shift) | entry << shift
    }

    /// Counts a page of `owner`, which is often also the owner of the page before `index`.
    ///
    /// - Returns: the owner's number; nil if the table is full.
    private mutating func enter(_ owner: UInt64, near index: Int, _ packing: ChunkPacking) -> UInt64? {
        if packing.isDirect { return owner }
        let near = Int(field(max(index - 1, 0), packing) >> UInt64(packing.addressBits))
        var found = tableEntry(near) & 0xffff == owner && tableEntry(near) >> 16 != 0 ? near : nil
        if found == nil {
            for number in 0..<packing.tableSize {
                let entry = tableEntry(number)
                if entry == 0 {
                    if found == nil { found = number }
                } else if entry & 0xffff == owner {
                    found = number
                    break
                }
            }
        }
        guard let found else { return nil }
        setTableEntry(found, (tableEntry(found) >> 16 + 1) << 16 | owner)
        return UInt64(found)
    }

    private mutating func leave(_ number: UInt64) {
        let left = tableEntry(Int(number)) &- 1 << 16
        setTableEntry(Int(number), left >> 16 == 0 ? 0 : left)
    }

    // MARK: Changes

    /// `replace(_:with:)` of a chunk in packed form.
    mutating func replacePacked(_ index: Int, with value: EntryWord) -> EntryWord? {
        let packing = ChunkPacking(header: words[0])
        let old = packedValue(at: index, packing)
        if old == value { return nil }
        let entry = value.advanced(pages: index)
        let address = MixedChunk.address(of: entry)
        if !packing.isDirect { leave(field(index, packing) >> UInt64(packing.addressBits)) }
        if address & ~packing.addressMask == words[MixedChunk.prefixPlace],
            let number = enter(MixedChunk.owner(of: entry), near: index, packing)
        {
            noteAssigned(from: old, to: value)
            notePairs(of: index, from: old, to: value, packing)
            setField(index, packing, number << UInt64(packing.addressBits) | address & packing.addressMask)
        } else {
            // The table is rebuilt from the fields, so it does not matter that a page has left it.
            pack(index, with: value, before: packing)
        }
        let runs = Granularity.pagesPerChunk - Int(words[0] >> 32 & 0x3ff)
        if runs == 1 { return value }
        if runs <= MixedChunk.runsForPalette { unpack() }
        return nil
    }

    @inline(__always)
    private mutating func notePairs(
        of index: Int,
        from old: EntryWord,
        to new: EntryWord,
        _ packing: ChunkPacking
    ) {
        if index > 0 { notePair(packedValue(at: index &- 1, packing), from: old, to: new) }
        if index < Granularity.pagesPerChunk - 1 { notePair(packedValue(at: index &+ 1, packing), from: old, to: new) }
    }

    @inline(__always)
    private mutating func notePair(_ neighbour: EntryWord, from old: EntryWord, to new: EntryWord) {
        if neighbour == old { words[0] &-= MixedChunk.pairUnit }
        if neighbour == new { words[0] &+= MixedChunk.pairUnit }
    }

    /// Brings the chunk into the packed form, or into a wider one, with page `index` changed to `value`.
    mutating func pack(_ index: Int, with value: EntryWord, before: ChunkPacking? = nil) {
        var values = (0..<Granularity.pagesPerChunk).map { self.value(at: $0) }
        values[index] = value
        var table: [UInt64] = []
        var numbers = [UInt64](repeating: 0, count: values.count)
        var (differing, assigned, pairs) = (UInt64(0), UInt64(0), UInt64(0))
        let first = MixedChunk.address(of: values[0])
        for (page, value) in values.enumerated() {
            let entry = value.advanced(pages: page)
            differing |= MixedChunk.address(of: entry) ^ first
            if value.isAssigned { assigned += 1 }
            if page > 0 && values[page - 1] == value { pairs += MixedChunk.pairUnit }
            let owner = MixedChunk.owner(of: entry)
            if let known = table.firstIndex(where: { $0 & 0xffff == owner }) {
                table[known] += 1 << 16
                numbers[page] = UInt64(known)
            } else {
                numbers[page] = UInt64(table.count)
                table.append(1 << 16 | owner)
            }
        }
        let packing = ChunkPacking(owners: table.count, differing: differing, before: before)
        words = [UInt64](repeating: 0, count: packing.wordCount)
        words[0] = MixedChunk.packedMark | packing.headerBits | pairs | assigned
        words[MixedChunk.prefixPlace] = first & ~packing.addressMask
        if !packing.isDirect { for (number, entry) in table.enumerated() { setTableEntry(number, entry) } }
        for (page, value) in values.enumerated() {
            let owner = packing.isDirect ? table[Int(numbers[page])] & 0xffff : numbers[page]
            let address = MixedChunk.address(of: value.advanced(pages: page)) & packing.addressMask
            setField(page, packing, owner << UInt64(packing.addressBits) | address)
        }
    }

    /// Returns to the palette form. The chunk has at least two runs and therefore at least two values.
    private mutating func unpack() {
        let first = value(at: 0)
        guard let other = (1..<Granularity.pagesPerChunk).first(where: { value(at: $0) != first }) else { return }
        var narrowed = MixedChunk(rest: first, value: value(at: other), at: other)
        for index in (other + 1)..<Granularity.pagesPerChunk { _ = narrowed.replace(index, with: value(at: index)) }
        self = narrowed
    }
}

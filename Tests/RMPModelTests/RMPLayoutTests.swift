// SPDX-License-Identifier: Apache-2.0
// Where an RMP can lie, what it then covers, and what a kernel would object to.

import Testing

@testable import RMPModel

@Suite struct RMPLayoutTests {
    private let gigabyte: UInt64 = 1 << 30

    @Test(
        arguments: [
            (RSTEntry(index: 0, base: 0x880_0000, gigabytes: 34), 0x880_0022),
            (RSTEntry(index: 0, base: 0xf_ffff_fff0_0000, gigabytes: 0xf_ffff), 0xf_ffff_ffff_ffff),
            (RSTEntry(index: 0, base: 0, gigabytes: 1), 1),
        ] as [(RSTEntry, UInt64)]
    ) func segmentTableEntries(_ entry: RSTEntry, _ raw: UInt64) {
        #expect(entry.rawValue == raw && RSTEntry(index: 0, rawValue: raw) == entry)
        for bit in 52..<64 as Range<UInt64> { #expect(RSTEntry(index: 0, rawValue: raw | 1 << bit) == nil) }
    }

    /// The published log: three of its segments, with the numbers that it prints.
    @Test func thePublishedSegments() throws {
        let layout = try RMPLayout.segmented(
            base: 0x870_0000,
            shift: 37,
            entries: [
                RSTEntry(index: 9, base: 0x35a0_0000, gigabytes: 128),
                RSTEntry(index: 0, base: 0x880_0000, gigabytes: 34),
                RSTEntry(index: 8, base: 0x55b0_0000, gigabytes: 128),
            ]
        )
        #expect(layout.segments.map(\.index) == [0, 8, 9])
        #expect(layout.segments[0].table == 0x880_0000..<0x1100_0000)
        #expect(layout.segments[0].covered == 0..<0x8_8000_0000)
        #expect(layout.segments[1].table == 0x55b0_0000..<0x75b0_0000)
        #expect(layout.segments[1].covered == 0x100_0000_0000..<0x120_0000_0000)
        #expect(layout.segments[2].table == 0x35a0_0000..<0x55a0_0000)
        #expect(layout.segments[2].covered == 0x120_0000_0000..<0x140_0000_0000)
        #expect(layout.head == 0x870_0000..<0x870_5000 && layout.rst == 0x870_4000..<0x870_5000)
        #expect(layout.tables == 0x880_0000..<0x75b0_0000)
        #expect(layout.contains(SPA(0x880_0000)) && layout.contains(SPA(0x10ff_ffff)))
        #expect(!layout.contains(SPA(0x1100_0000)) && !layout.contains(SPA(0x55a0_0000)))
        #expect(layout.contains(SPA(0x55b0_0000)) && !layout.contains(SPA(0x75b0_0000)))
        #expect(layout.bytes(in: 0x55a0_0000..<0x55c0_0000) == 0x10_0000)
        #expect(layout.isSegmented && layout.shift == 37 && layout.rmpEnd == 0)
        // The page after the first segment has no entry, though the next segment begins only at 1 TB.
        #expect(layout.entryAddress(of: PFN(0)) == SPA(0x880_0000))
        #expect(layout.entryAddress(of: PFN(0x8_7fff_f)) == SPA(0x10ff_fff0))
        #expect(layout.entryAddress(of: PFN(0x8_8000_0)) == nil)
        #expect(layout.entryAddress(of: PFN(1 << 28)) == SPA(0x55b0_0000))
        #expect(layout.entryAddress(of: PFN(.max)) == nil)
    }

    /// The contiguous RMP of a published log, at [0x35600000 - 0x75bfffff].
    @Test func contiguous() throws {
        let layout = try RMPLayout.contiguous(base: 0x3560_0000, end: 0x75bf_ffff)
        #expect(!layout.isSegmented && layout.rst == nil && layout.shift == 0 && layout.entries == [])
        #expect(layout.head == 0x3560_0000..<0x3560_4000)
        #expect(layout.segments.map(\.table) == [0x3560_4000..<0x75c0_0000])
        #expect(layout.segments[0].covered == 0..<((0x4060_0000 - 0x4000) / 16 * 4096))
        #expect(layout.entryAddress(of: PFN(5)) == SPA(0x3560_4050))
        #expect(layout.contains(SPA(0x3560_0000)) && layout.contains(SPA(0x75bf_ffff)))
        #expect(!layout.contains(SPA(0x75c0_0000)))
    }

    @Test(arguments: [0, 0x1000, 0x2000, 0x8_0000, 0x10_2000, 1 << 52] as [UInt64]) func bases(_ base: UInt64) {
        #expect(throws: ConfigurationError.self) { try RMPLayout.contiguous(base: base, end: 0x75bf_ffff) }
        #expect(throws: ConfigurationError.self) { try RMPLayout.segmented(base: base, shift: 37, entries: []) }
    }

    @Test(arguments: [0, 0x75c0_0000, 0x75bf_efff, 0x355f_ffff, 0x3560_3fff, .max] as [UInt64])
    func ends(_ end: UInt64) throws {
        let error = try #require(throws: ConfigurationError.self) {
            try RMPLayout.contiguous(base: 0x3560_0000, end: end)
        }
        #expect(error.description.contains(String(end, radix: 16)))
    }

    @Test(
        arguments: [
            (20, 0, 0x880_0000, 1), (52, 0, 0x880_0000, 1), (37, -1, 0x880_0000, 1), (37, 512, 0x880_0000, 1),
            (37, 0, 0, 1), (37, 0, 0x880_1000, 1), (37, 0, 1 << 52, 1), (37, 0, 0x880_0000, -1),
            (37, 0, 0x880_0000, 0x10_0000), (44, 256, 0x880_0000, 1),
        ] as [(UInt8, Int, UInt64, Int)]
    )
    func refusedSegments(_ shift: UInt8, _ index: Int, _ base: UInt64, _ gigabytes: Int) throws {
        let entry = RSTEntry(index: index, base: base, gigabytes: gigabytes)
        let error = try #require(throws: ConfigurationError.self) {
            try RMPLayout.segmented(base: 0x870_0000, shift: shift, entries: [entry])
        }
        #expect(error.description.contains("give"))
    }

    @Test func segmentsThatAreNone() throws {
        let entry = RSTEntry(index: 1, base: 0x880_0000, gigabytes: 1)
        #expect(throws: ConfigurationError.segmentTwice(1)) {
            try RMPLayout.segmented(base: 0x870_0000, shift: 37, entries: [entry, entry])
        }
        let none = RSTEntry(index: 0, base: 0, gigabytes: 0)
        let layout = try RMPLayout.segmented(base: 0x870_0000, shift: 37, entries: [none, entry])
        #expect(layout.segments.map(\.index) == [1] && layout.entries == [entry])
        #expect(
            try RMPLayout.segmented(
                base: 0x870_0000,
                shift: 44,
                entries: [RSTEntry(index: 255, base: 1 << 20, gigabytes: 1)]
            )
            .segments[0].covered.upperBound == 255 << 44 + 1 << 30
        )
    }

    @Test func clipping() throws {
        let layout = try RMPLayout.segmented(
            base: 0x870_0000,
            shift: 30,
            entries: [
                RSTEntry(index: 0, base: 0x880_0000, gigabytes: 4),
                RSTEntry(index: 2, base: 0x900_0000, gigabytes: 1),
            ]
        )
        #expect(layout.segments[0].isClipped && !layout.segments[1].isClipped)
        #expect(layout.segments[0].statedBytes == 4 * gigabyte && layout.segments[0].covered == 0..<gigabyte)
        #expect(layout.segments[0].table == 0x880_0000..<0x8c0_0000)
        #expect(layout.segments[1].covered == 2 * gigabyte..<3 * gigabyte)
    }

    // MARK: Problems

    @Test func problems() throws {
        let memory = try MemoryMap(bytes: 4 * gigabyte)
        let processor = Processor()
        #expect(RMPLayout.unreserved.problems(with: processor, memory: memory) == [.notReserved])
        #expect(RMPLayout.unreserved.head.isEmpty && !RMPLayout.unreserved.contains(SPA(0)))
        #expect(RMPLayout(regionCount: 4).problems(with: processor, memory: memory) == [])
        let short = RMPLayout(regionCount: 3)
        let got = RMPProblem.doesNotCoverRAM(expected: 4 * gigabyte, got: 3 * gigabyte)
        #expect(short.problems(with: processor, memory: memory) == [got])
        var other = processor
        other.segmentShifts = 28...36
        let bounds = RMPProblem.shiftOutOfBounds(shift: 37, limits: 28...36)
        #expect(short.problems(with: other, memory: memory) == [bounds, got])
        other = processor
        other.segmentedRMP = false
        #expect(RMPLayout(regionCount: 4).problems(with: other, memory: memory) == [.segmentsUnsupported])
        other = processor
        other.segmentReduction = true
        other.cachedSegments = 1
        let large = try MemoryMap(bytes: 129 * gigabyte)
        #expect(
            RMPLayout(regionCount: 129).problems(with: other, memory: large) == [
                .doesNotCoverRAM(expected: 129 * gigabyte, got: 128 * gigabyte)
            ]
        )
    }

    @Test func contiguousProblems() throws {
        let memory = try MemoryMap(bytes: 4 * gigabyte)
        let exact = 0x4000 + 4 * RMPLayout.bytesPerRegion
        let base: UInt64 = 0x870_0000
        #expect(
            try RMPLayout.contiguous(base: base, end: base + exact - 1).problems(with: Processor(), memory: memory)
                == []
        )
        let short = try RMPLayout.contiguous(base: base, end: base + exact - 0x2001)
        #expect(
            short.problems(with: Processor(), memory: memory) == [
                .rmpTooSmall(expected: exact, got: exact - 0x2000)
            ]
        )
    }

    // MARK: Coverage

    /// Regions 0, 2 and half of 3 of 4 are covered.
    private func gaps() throws -> RMP {
        let layout = try RMPLayout.segmented(
            base: 0x870_0000,
            shift: 29,
            entries: [0, 1, 4, 5, 6, 9].map { RSTEntry(index: $0, base: 0x880_0000 + UInt64($0) << 21, gigabytes: 1) }
        )
        return RMP(regionCount: 4, coverage: RMPCoverage(layout, Processor(), regionCount: 4))
    }

    @Test func coverage() throws {
        let rmp = try gaps()
        let pages = UInt64(Granularity.pagesPerRegion)
        #expect(rmp.coverage.chunks == [0..<512, 1024..<1792])
        for (pfn, covered) in [
            (0, true), (pages - 1, true), (pages, false), (2 * pages - 1, false), (2 * pages, true),
            (3 * pages + pages / 2 - 1, true), (3 * pages + pages / 2, false), (4 * pages, false),
            (9 * pages / 2, false), (.max, false),
        ] as [(UInt64, Bool)] { #expect(rmp.covers(pfn) == covered, "\(pfn)") }
        #expect((0..<4).map { rmp.coverage.containsRegion($0) } == [true, false, true, false])
        #expect((0..<4).map { rmp.isOptimizable($0) } == [true, false, true, false])
        #expect(rmp.state(of: PFN(pages)) == .uncovered && rmp.state(of: PFN(0)) == .hypervisor)
        var reset = rmp
        reset.reset()
        #expect(reset.coverage == rmp.coverage)
    }

    @Test func instructionsOnWhatIsNotCovered() throws {
        var rmp = try gaps()
        let spa = gigabyte + 5 << 21
        for size in PageSize.allCases {
            #expect(rmp.update(spa, .init(assigned: true, pageSize: size, asid: 1)) == .failInput)
            #expect(rmp.update(spa, .init(pageSize: size)) == .failInput)
            #expect(rmp.updateChunk(512 + 5, .init(assigned: true, pageSize: size, asid: 1)) == .failInput)
        }
        #expect(rmp.smash(spa) == .failInput)
        #expect(throws: RMPCode.failInput) { try rmp.read(spa) }
        #expect(throws: PVALIDATEFault.notAssigned) {
            try rmp.pvalidate(PFN(spa >> 12), gpa: GPA(0), asid: 1, size: .size4K, validate: true)
        }
        // Nor does firmware leave anything there.
        rmp.setChunk(512 + 5, .firmware)
        rmp.setEntry(chunk: 512 + 6, index: 3, .firmware)
        rmp.setRegion(1, .firmware)
        rmp.setRegion(3, .firmware)
        #expect((0..<4).map(rmp.assignedPages(ofRegion:)) == [0, 0, 0, Granularity.pagesPerRegion / 2])
        #expect(rmp.update(3 * gigabyte, .init()) == .failPermission)
        #expect(rmp.update(3 * gigabyte + gigabyte / 2, .init()) == .failInput)
    }

    @Test func rmpoptOnWhatIsNotCovered() throws {
        let rmp = try gaps()
        var tables = RMPOPTTables(coreCount: 1, regionCount: 4)
        tables.program(RMPOPTBase(enabledFrom: SPA(0)), cores: CoreSet(all: 1))
        let carries = try (0..<4).map { region in
            try tables.execute(core: 0, spa: SPA(UInt64(region) << 30), function: 0, rmp: rmp)
        }
        #expect(carries == [true, false, true, false])
    }

    @Test func contiguousLimit() throws {
        let base: UInt64 = 0x870_0000
        let layout = try RMPLayout.contiguous(base: base, end: base + 0x4000 + 3 << 21 + 0x1fff)
        let coverage = RMPCoverage(layout, Processor(), regionCount: 4)
        #expect(coverage.leadingPages == (3 << 21 + 0x2000) / 16 && coverage.chunks == [0..<769])
        var rmp = RMP(regionCount: 4, coverage: coverage)
        let last = UInt64(coverage.leadingPages - 1) << 12
        #expect(rmp.update(last, .init(assigned: true, asid: 1)) == .success)
        #expect(rmp.update(last + 4096, .init(assigned: true, asid: 1)) == .failInput)
        #expect(RMPCoverage(layout, Processor(), regionCount: 1).leadingPages == 1 << 18)
    }

    /// A processor that reads fewer entries of the RST covers less memory.
    @Test func reducedTable() {
        var processor = Processor()
        processor.segmentReduction = true
        processor.cachedSegments = 1
        let coverage = RMPCoverage(RMPLayout(regionCount: 129), processor, regionCount: 129)
        #expect(coverage.containsRegion(127) && !coverage.containsRegion(128))
    }
}

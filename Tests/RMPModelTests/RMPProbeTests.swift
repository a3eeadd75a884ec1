// SPDX-License-Identifier: Apache-2.0
// What the kernel logs about the RMP at boot: which lines, at which level, in which order, and what it refuses.

import Testing

@testable import RMPModel

@Suite struct RMPProbeTests {
    private static let gigabyte: UInt64 = 1 << 30

    /// The lines of a kernel that has booted, each with its level, without those of the series.
    private func lines(
        _ layout: RMPLayout,
        gigabytes: UInt64,
        _ processor: Processor = Processor()
    ) throws -> [String] {
        let machine = try machine(layout, gigabytes: gigabytes, processor)
        return machine.logLines.filter { $0.text.contains("RMP ") && !$0.text.contains(" alignment ") }.map {
            "\($0.level) \($0.text)"
        }
    }

    private func machine(_ layout: RMPLayout, gigabytes: UInt64, _ processor: Processor) throws -> Machine {
        var configuration = try MachineConfiguration(cpus: 1, memoryBytes: gigabytes << 30, series: .v10)
        configuration.rmp = layout
        configuration.processor = processor
        configuration.boot.stage = .kernel
        return Machine(configuration)
    }

    /// The log gives the end of the first range, but the last byte of all others.
    @Test func aSegmentedTable() throws {
        let layout = try RMPLayout.segmented(
            base: 0x870_0000,
            shift: 31,
            entries: [
                RSTEntry(index: 0, base: 0x880_0000, gigabytes: 2), RSTEntry(index: 1, base: 0xa00_0000, gigabytes: 4),
            ]
        )
        #expect(
            try lines(layout, gigabytes: 4) == [
                "info SEV-SNP: Segmented RMP base table physical range [0x0000000008700000 - 0x0000000008705000]",
                "info SEV-SNP: Segmented RMP using 2GB segments",
                "info SEV-SNP: RMP segment 0 physical address [0x8800000 - 0x8ffffff] covering [0x0 - 0x7fffffff]",
                "info SEV-SNP: RMP segment 1 mapped size (0x100000000) reduced to 0x80000000",
                "info SEV-SNP: RMP segment 1 physical address [0xa000000 - 0xa7fffff] covering "
                    + "[0x80000000 - 0xffffffff]",
            ]
        )
        // Segments below 1 GB.
        let small = (0..<4).map { RSTEntry(index: $0, base: 0x880_0000 + UInt64($0) << 20, gigabytes: 1) }
        let told = try lines(.segmented(base: 0x870_0000, shift: 28, entries: small), gigabytes: 1)
        #expect(told[1] == "info SEV-SNP: Segmented RMP using 0GB segments" && told.count == 10)
    }

    /// The RST is read only up to the limit, and nothing is said about what lies past it.
    @Test func theTableEndsAtItsLimit() throws {
        var processor = Processor()
        processor.segmentReduction = true
        processor.cachedSegments = 1
        let layout = RMPLayout(regionCount: 129)
        let told = try lines(layout, gigabytes: 128, processor)
        #expect(told.count == 3 && told[2].contains("RMP segment 0 "))
        #expect(try machine(layout, gigabytes: 128, processor).isSNPPossible)
        let short = try lines(layout, gigabytes: 129, processor)
        #expect(
            short.dropFirst(3) == [
                "error SEV-SNP: Segmented RMP does not cover full system RAM (expected 0x2040000000 got 0x2000000000)"
            ]
        )
        #expect(try !machine(layout, gigabytes: 129, processor).isSNPPossible)
    }

    /// A segment that begins at or above the end of RAM covers none of it.
    @Test func segmentsForMMIOCoverNoRAM() throws {
        let layout = try RMPLayout.segmented(
            base: 0x870_0000,
            shift: 33,
            entries: [
                RSTEntry(index: 0, base: 0x880_0000, gigabytes: 4), RSTEntry(index: 1, base: 0xa00_0000, gigabytes: 8),
            ]
        )
        let told = try lines(layout, gigabytes: 8)
        #expect(told.count == 5 && told[3].contains("RMP segment 1 "))
        #expect(
            told.last == "error SEV-SNP: Segmented RMP does not cover full system RAM "
                + "(expected 0x200000000 got 0x100000000)"
        )
        #expect(try !machine(layout, gigabytes: 8, Processor()).isSNPPossible)
        // If it begins in RAM, its end is what counts, whatever lies between.
        #expect(try machine(layout, gigabytes: 9, Processor()).isSNPPossible)
    }

    /// If the probe refuses, its error is the only line; if set-up refuses, its error follows the probe's line.
    @Test func refusals() throws {
        let segmented = RMPLayout(regionCount: 4)
        let reserved = "error SEV-SNP: Memory for the RMP table has not been reserved by BIOS"
        #expect(try lines(.unreserved, gigabytes: 4) == [reserved])
        var processor = Processor()
        processor.segmentedRMP = false
        #expect(try lines(segmented, gigabytes: 4, processor) == [reserved])
        processor = Processor()
        processor.segmentShifts = 28...36
        #expect(
            try lines(segmented, gigabytes: 4, processor) == [
                "error SEV-SNP: RMP segment size (37) is not within advertised bounds (min=28, max=36)"
            ]
        )
        let short = try RMPLayout.contiguous(base: 0x870_0000, end: 0x970_1fff)
        #expect(
            try lines(short, gigabytes: 4) == [
                "info SEV-SNP: RMP table physical range [0x0000000008700000 - 0x0000000009701fff]",
                "error SEV-SNP: Memory reserved for the RMP table does not cover full system RAM "
                    + "(expected 0x1004000 got 0x1002000)",
            ]
        )
        let exact = try RMPLayout.contiguous(base: 0x870_0000, end: 0x970_3fff)
        #expect(try lines(exact, gigabytes: 4).count == 1)
    }

    /// A contiguous table must have entries for itself, even if it lies above all other memory.
    @Test func aContiguousTableCoversItself() throws {
        let memory = try MemoryMap(bytes: 4 * Self.gigabyte)
        let layout = try RMPLayout.contiguous(base: 5 * Self.gigabyte, end: 5 * Self.gigabyte + 0x100_3fff)
        let pages = (5 * Self.gigabyte + 0x100_4000) / 4096
        #expect(
            layout.problems(with: Processor(), memory: memory) == [
                .rmpTooSmall(expected: pages * 16 + 0x4000, got: 0x100_4000)
            ]
        )
    }
}

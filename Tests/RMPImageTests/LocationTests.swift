// SPDX-License-Identifier: Apache-2.0
// The RMP is found from its registers, or a message says what is wrong with them.

import RMPModel
import Testing

@testable import RMPImage

@Suite struct LocationTests {
    @Test func contiguous() throws {
        // The RMP of a published log. The register's low 13 bits read as ones, or as zeros where software masked them.
        let wanted = try RMPLayout.contiguous(base: 0x3560_0000, end: 0x75bf_ffff)
        for end in [0x75bf_ffff, 0x75bf_e000] as [UInt64] {
            let found = try RMPLayout.find(RMPRegisters(base: 0x3560_0000, end: end), in: WordMemory())
            #expect(found == wanted)
        }
    }

    @Test(arguments: [1, 7, 512])
    func segmented(_ entries: Int) throws {
        let layout = try RMPLayout.segmented(
            base: 0x870_0000,
            shift: 37,
            entries: [
                RSTEntry(index: 0, base: 0x880_0000, gigabytes: 34),
                RSTEntry(index: 6, base: 0x55b0_0000, gigabytes: 128),
            ]
        )
        let memory = WordMemory()
        memory.writeTable(of: layout)
        let found = try RMPLayout.find(
            RMPRegisters(base: 0x870_0000, configuration: 0x2501),
            in: memory,
            entries: entries
        )
        #expect(found.entries == Array(layout.entries.prefix(entries < 7 ? 1 : 2)) && found.shift == 37)
    }

    private func error(_ registers: RMPRegisters, _ words: [UInt64: UInt64] = [:]) -> LocationError? {
        do {
            _ = try RMPLayout.find(registers, in: WordMemory(words))
            return nil
        } catch { return error }
    }

    @Test func whatIsWrong() {
        guard case .notReserved = error(RMPRegisters(base: 0)) else { return #expect(Bool(false)) }
        guard case .value = error(RMPRegisters(base: 0x2000, end: 0x1f_ffff)) else { return #expect(Bool(false)) }
        guard case .noEnd = error(RMPRegisters(base: 0x20_0000, end: 0x1fff)) else { return #expect(Bool(false)) }
        guard case .value = error(RMPRegisters(base: 0x20_0000, end: 0x20_3fff)) else { return #expect(Bool(false)) }
        let segmented = RMPRegisters(base: 0x10_0000, configuration: 1 | 37 << 8)
        guard case .noSegments(0x10_4000) = error(segmented) else { return #expect(Bool(false)) }
        guard case .rst(2, 1 << 52, 0x10_4000) = error(segmented, [0x10_4010: 1 << 52]) else {
            return #expect(Bool(false))
        }
        guard case .value = error(RMPRegisters(base: 0x10_0000, configuration: 1), [0x10_4000: 0x20_0001]) else {
            return #expect(Bool(false))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Compares a machine's pages with the naive model's: those that a step wrote, and all of them.

@testable import RMPModel

extension NaiveMachine {
    /// The entries that the last step wrote, a sample where it wrote many, and the regions that hold them.
    func differencesOfChanges(from machine: Machine) -> [String] {
        var found: [String] = []
        var regions: Set<Int> = []
        let real = machine.platform.rmp
        let stride = rmp.changes.count > 24 ? 61 : 1
        for (number, change) in rmp.changes.enumerated() where number % stride == 0 || number < 8 {
            let given = machine.rawRMP(PFN(change.pfn))?.low
            let expected = rmp[change.pfn].raw(subpages: rmp.subpages(change.pfn))
            if given != expected { found.append(text(change.pfn, given, expected)) }
            if change.cause != nil, real.state(of: PFN(change.pfn)) != state(of: change.pfn)?.modelled {
                found.append("page \(change.pfn) is not \(String(describing: state(of: change.pfn)))")
            }
            regions.insert(Int(change.pfn / 262_144))
        }
        for region in regions { found += differences(ofRegion: region, from: machine) }
        return found
    }

    /// A page inside a 2 MB entry has the entry's state.
    private func state(of pfn: UInt64) -> NaiveState? { rmp[rmp.isCovered(pfn) ? pfn / 512 * 512 : pfn].state }

    private func text(_ pfn: UInt64, _ given: UInt64?, _ expected: UInt64) -> String {
        let given = given.map { String($0, radix: 16) } ?? "nothing"
        return "page 0x\(String(pfn, radix: 16)) holds \(given), expected \(String(expected, radix: 16))"
    }

    /// Every page that is not hypervisor-owned in either model. A region or chunk that the machine keeps as one word is
    /// compared as such; `everyPage` checks that each of its pages reads the same.
    func differencesOfPages(from machine: Machine) -> [String] {
        var found: [String] = []
        let real = machine.platform.rmp
        let used = Set(rmp.entries.keys.map { $0 / 512 })
        for region in 0..<rmp.regionCount {
            let first = UInt64(region * 512)
            let isUsed = rmp.hasFixed(region: region) || (first..<(first + 512)).contains { used.contains($0) }
            if !isUsed && real.uniformWord(ofRegion: region) == .hypervisor { continue }
            for chunk in first..<(first + 512) {
                let word = real.chunkWord(Int(chunk))
                let isFixed = rmp.isFixed(chunk: chunk)
                if word == (isFixed ? .hypervisorFixed : .hypervisor) && !used.contains(chunk) { continue }
                compare(chunk, word, real, &found)
            }
        }
        return found
    }

    private func compare(_ chunk: UInt64, _ word: EntryWord, _ real: RMP, _ found: inout [String]) {
        // Most chunks hold one value.
        var last = NaivePage.hypervisor
        var raw: UInt64 = 0
        let isConstant = !word.isMixed && !word.is2M && word.asid == 0
        for index in 0..<512 {
            let page = rmp[chunk * 512 + UInt64(index)]
            if page != last {
                last = page
                raw = page.raw(subpages: 0)
            }
            let given = isConstant ? word.bits : real.entry(of: word, index: index).bits
            if given != raw { found.append(text(chunk * 512 + UInt64(index), given, raw)) }
        }
        if UInt64(real.subpageCount(chunk * 512)) != rmp.subpages(chunk * 512) {
            found.append("page 0x\(String(chunk * 512, radix: 16)): \(real.subpageCount(chunk * 512)) subpages")
        }
    }

    /// The first page that reads differently, with all of them read one by one.
    func everyPage(from machine: Machine) -> String? {
        for pfn in 0..<(UInt64(rmp.regionCount) * 262_144) {
            let expected = rmp[pfn].raw(subpages: rmp.subpages(pfn))
            let given = machine.rawRMP(PFN(pfn))?.low
            if given != expected { return text(pfn, given, expected) }
        }
        return nil
    }
}

// SPDX-License-Identifier: Apache-2.0
// The RMPOPT tables of all cores, region by region, so that what RMPUPDATE clears and what one line of a file shows is
// one short row.

/// The RMPOPT tables and RMPOPT_BASE registers of all cores.
///
/// A table holds one bit for each region of the window: 2048 regions (2 TB) from RMPOPT_BASE. A set bit means: every
/// page of the region is hypervisor-owned, so no RMP check is needed.
struct RMPOPTTables: Sendable {
    let coreCount: Int
    let regionCount: Int
    let wordsPerRow: Int
    /// `wordsPerRow` words for each region: bit c of the row is core c's.
    private(set) var bits: [UInt64]
    /// How many bits of each row are set.
    private(set) var setCores: [Int]
    /// RMPOPT_BASE of each core.
    private(set) var bases: [RMPOPTBase]
    /// Whether every core has RMPOPT_EN set.
    private(set) var areAllEnabled = false
    /// Cores that share a base: rows of a window are processed a word at a time.
    private(set) var windows: [RMPOPTWindow] = []
    /// Grows with each change of any bit or register, so that a reader can tell that nothing has changed.
    private(set) var generation: UInt64 = 0

    init(coreCount: Int, regionCount: Int) {
        self.coreCount = coreCount
        self.regionCount = regionCount
        wordsPerRow = (coreCount + 63) / 64
        bits = [UInt64](repeating: 0, count: regionCount * wordsPerRow)
        setCores = [Int](repeating: 0, count: regionCount)
        bases = [RMPOPTBase](repeating: RMPOPTBase(rawValue: 0), count: coreCount)
    }

    func isSet(region: Int, core: Int) -> Bool {
        bits[region * wordsPerRow + core >> 6] >> UInt64(core & 63) & 1 != 0
    }

    /// Whether the region lies in the window of a core whose RMPOPT_EN is set.
    func isInWindow(region: Int, core: Int) -> Bool {
        bases[core].isEnabled && RMPOPTWindow.regions(from: bases[core]).contains(region)
    }

    /// WRMSR of RMPOPT_BASE. The bits of the tables stay (the sources do not say; the kernel scans afterwards).
    mutating func program(_ base: RMPOPTBase, cores: CoreSet) {
        cores.forEachRun { run in for core in run { bases[core] = base } }
        windows = RMPOPTWindow.group(bases)
        areAllEnabled = bases.allSatisfy(\.isEnabled)
        generation &+= 1
    }

    /// Sets one bit.
    mutating func set(region: Int, core: Int) {
        if isSet(region: region, core: core) { return }
        bits[region * wordsPerRow + core >> 6] |= 1 << UInt64(core & 63)
        setCores[region] += 1
        generation &+= 1
    }

    /// Sets the bits of all `cores` whose window holds the region.
    ///
    /// - Returns: how many bits were newly set.
    mutating func set(region: Int, cores: CoreSet) -> Int {
        var won = 0
        for window in windows where window.regions.contains(region) {
            for word in 0..<wordsPerRow {
                let old = bits[region * wordsPerRow + word]
                let new = old | window.cores.words[word] & cores.words[word]
                if new == old { continue }
                bits[region * wordsPerRow + word] = new
                won += (new ^ old).nonzeroBitCount
            }
        }
        if won > 0 {
            setCores[region] += won
            generation &+= 1
        }
        return won
    }

    /// How many of some cores have the region in their window.
    func coresWithWindow(over region: Int, of cores: CoreSet) -> Int {
        var count = 0
        for window in windows where window.regions.contains(region) {
            for word in 0..<wordsPerRow { count += (window.cores.words[word] & cores.words[word]).nonzeroBitCount }
        }
        return count
    }

    /// How many regions from `region` on lie outside every window, including those beyond memory.
    func regionsOutside(from region: Int) -> Int {
        var end = Int.max
        for window in windows where region < window.regions.upperBound { end = min(end, window.regions.lowerBound) }
        return max(0, end - region)
    }

    /// What RMPUPDATE does when it marks a page assigned: it clears the region's bit on every core.
    ///
    /// Source: Ashish Kalra, 2026-02-17 and 2026-03-04 (hardware broadcasts to all CPUs). Whether an update from
    /// assigned to unassigned also clears it is UNKNOWN; here it does not: the bits of such a region are already clear.
    ///
    /// - Returns: whether any bit was set.
    mutating func clear(region: Int) -> Bool {
        if setCores[region] == 0 { return false }
        for word in 0..<wordsPerRow { bits[region * wordsPerRow + word] = 0 }
        setCores[region] = 0
        generation &+= 1
        return true
    }

    /// What SNP_INIT_EX does: it clears all tables.
    mutating func clearAll() {
        for index in bits.indices { bits[index] = 0 }
        for region in setCores.indices { setCores[region] = 0 }
        generation &+= 1
    }
}

// SPDX-License-Identifier: Apache-2.0
// The RMPOPT tables of the naive model: for each region the set of the cores whose bit is set.

@testable import RMPModel

/// The tables and RMPOPT_BASE registers of all cores.
struct NaiveRMPOPTTables: Sendable {
    /// RMPOPT_BASE of each core.
    var bases: [UInt64]
    /// The cores that have each region optimized.
    var optimized: [Set<Int>]
    /// How often RMPUPDATE cleared a region that had bits set.
    var rowsCleared: UInt64 = 0

    init(cores: Int, regions: Int) {
        bases = Array(repeating: 0, count: cores)
        optimized = Array(repeating: [], count: regions)
    }

    func isEnabled(_ core: Int) -> Bool { bases[core] % 2 == 1 }

    /// Whether the region lies in the 2 TB above the core's base.
    func isInWindow(_ region: Int, _ core: Int) -> Bool {
        let first = Int(bases[core] >> 30)
        return isEnabled(core) && region >= first && region < first + 2048
    }

    mutating func clear(_ region: Int) {
        if optimized[region].isEmpty { return }
        optimized[region] = []
        rowsCleared += 1
    }

    mutating func clearAll() {
        for region in optimized.indices { optimized[region] = [] }
    }

    /// RMPOPT as one core executes it: its carry flag.
    mutating func rmpopt(
        _ core: Int,
        _ spa: UInt64,
        function: UInt64,
        _ rmp: NaiveRMP
    ) throws(RMPOPTFault) -> Bool {
        if !isEnabled(core) { throw .undefinedOpcode }
        if function > 1 { throw .generalProtection }
        let region = Int(spa >> 30)
        if region >= optimized.count || !isInWindow(region, core) { return false }
        if function == 0 && rmp.isOptimizable(region) { optimized[region].insert(core) }
        return optimized[region].contains(core)
    }
}

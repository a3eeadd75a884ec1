// SPDX-License-Identifier: Apache-2.0
// A pass under way: one region at a time, each with its own due time, so that a reader in the middle sees it half done.

/// A pass that is walking over the range.
///
/// Source: series v1 patch 4/6: for each 1 GB of [0, ALIGN(end)), one broadcast to the primary threads of all cores,
/// each of which executes RMPOPT with function 0.
struct RunningPass: Sendable {
    var record: PassRecord
    /// The cores that take part and have RMPOPT enabled, as a mask in words of 64.
    let cores: [UInt64]
    /// The region at work.
    private(set) var region = 0
    let regionEnd: Int
    /// When the region at work will be done.
    private(set) var due: UInt64 = 0
    private var cost = RegionCost(broadcast: 0, scan: 0, followers: 0)

    init(record: PassRecord, cores: [UInt64], regionEnd: Int) {
        self.record = record
        self.cores = cores
        self.regionEnd = regionEnd
    }

    /// The cores of some CPUs, without those that would fault because RMPOPT_EN is 0.
    static func cores(of cpus: CPUSet, _ topology: Topology, _ tables: RMPOPTTables) -> [UInt64] {
        var mask = [UInt64](repeating: 0, count: tables.wordsPerRow)
        for cpu in 0..<topology.cpuCount where cpus.contains(cpu) {
            let core = topology.coreOfCPU[cpu]
            if tables.bases[core].isEnabled { mask[core >> 6] |= 1 << UInt64(core & 63) }
        }
        return mask
    }

    /// Works out when the region at work will be done, from what the RMP holds as its turn begins.
    mutating func schedule(after now: UInt64, _ platform: borrowing Platform, _ costs: CostModel) {
        cost = costs.region(
            firstAssignedFrame: platform.rmp.firstAssignedFrame(ofRegion: region),
            cores: platform.rmpopt.coresWithWindow(over: region, of: cores)
        )
        due = now.addingClamped(cost.total)
    }

    /// Executes RMPOPT on all cores for the region at work and goes on to the next.
    mutating func apply(_ platform: inout Platform) {
        record.regionsScanned += 1
        record.broadcastTime = record.broadcastTime.addingClamped(cost.broadcast)
        record.scanTime = record.scanTime.addingClamped(cost.scan)
        record.followerTime = record.followerTime.addingClamped(cost.followers)
        if !platform.rmp.isOptimizable(region) {
            record.regionsBlocked += 1
        } else if platform.rmpopt.coresWithWindow(over: region, of: cores) == 0 {
            record.regionsOutside += 1
        } else if platform.rmpopt.set(region: region, cores: cores) > 0 {
            record.regionsWon += 1
        } else {
            record.regionsKept += 1
        }
        region += 1
    }
}

// SPDX-License-Identifier: Apache-2.0
// How long things take. A model fitted to the few figures ever posted, in which every assumption is a named number.

/// The durations that make up the machine's virtual time, in nanoseconds.
///
/// Posted figures (Ashish Kalra, 2026-03-16, 2 TB = 2048 regions, leader first): 311,135,734 ns when every region
/// succeeds, 95,275,588 ns when every region fails at its first page. The second is almost only the broadcast, 46.5 us
/// a region; a success adds a scan of 512 entries (41 us at 80 ns a miss) and the other cores' own RMPOPT (57 us, the
/// average of 2026-03-05 with all cores at once). Nobody has measured anything between the two: that a scan which stops
/// at chunk k costs k/512 of a whole one, for the first core and for the others alike, is this model's assumption.
public struct CostModel: Sendable, Hashable {
    /// One broadcast to the participating CPUs, and the wait for all of them.
    public var broadcast: UInt64 = 46_500
    /// An RMPOPT that stops at once: 60 cycles at 2 GHz.
    public var instruction: UInt64 = 30
    /// The scan of a whole region by one core alone.
    public var fullScan: UInt64 = 41_000
    /// RMPOPT on the other cores at the same time, after a leader has scanned the whole region.
    public var contendedFollower: UInt64 = 57_000
    /// RMPOPT on each core in the second phase of the merged driver, in which every core walks over the range by
    /// itself, when the result of the first scan is cached. Nobody has posted a figure for this order. The value is
    /// that of `contendedFollower`, the average with all cores at once; where cores do not slow each other down, the
    /// serial calls of 2026-03-05 give 1,700 to 2,800 ns.
    public var independentFollower: UInt64 = 57_000
    /// How many results of a first scan are kept for the other cores: those of this many regions at the start of the
    /// range. Each core scans the regions beyond them again. A choice: the size of that memory is unknown.
    public var cachedRegions: UInt64 = 2_048
    /// The extra cost of a region when several threads of a core scan it at once without a leader: siblings share a
    /// core, and there is no cached result to find. From 2026-03-11: all CPUs at once took 391,609,638 ns where leader
    /// and primary threads took 317,016,656 ns, 1.235 times as long, so (46,500 + 41,000 + 57,000) * 0.235 ns a region.
    public var crowdedScan: UInt64 = 34_000
    /// By how many per cent a pass is slower while a guest's pages are being returned: RMPUPDATE and RMPOPT contend.
    /// From 2026-03-11: 317,016,656 and 369,659,769 ns with one of two guests of 100 GB being terminated, 1.16 times
    /// what the parameters above give for the states before and after.
    public var teardownContention: UInt64 = 16
    /// One RMPOPT by a call to one CPU and back (`smp_call_on_cpu()`), on average: 63,815,935,380 cycles at 2 GHz for
    /// 1,024 CPUs and 1,038 regions on 2026-03-05, from a loop that is in no posted version.
    public var serialCall: UInt64 = 30_000
    /// From the end of a pass of a kernel thread (series v1, v2), where the flag is cleared, until the thread sleeps
    /// and can be woken. A choice: a few hundred instructions.
    public var threadSleep: UInt64 = 1_000
    /// Making one 4 KB page shared at a guest's end: one RMPUPDATE. The model's choice, nobody has posted it; other
    /// work of the host at that point (flushing caches, freeing) is not counted.
    public var share4K: UInt64 = 80
    /// Making a 2 MB entry shared at a guest's end: also one RMPUPDATE.
    public var share2M: UInt64 = 80
    /// Making a page or a chunk private: one RMPUPDATE, as `share4K`.
    public var assign: UInt64 = 80
    /// PSMASH: it writes 512 entries, 8 KB of RMP in 128 cache lines, at 80 ns a miss as in `fullScan`. The model's
    /// choice, nobody has posted it.
    public var smash: UInt64 = 10_240
    /// The cost of a private fault besides its RMPUPDATE: the exit, KVM's look-up of the folio, the nested page table.
    /// The model's choice: 4,000 cycles at 2 GHz.
    public var privateFault: UInt64 = 2_000
    /// SNP_LAUNCH_UPDATE of one page: the round trip of the command to the security processor, and SHA-384 over 4 KB
    /// there. The model's choice: 40 us, 100 MB/s.
    public var launchUpdate: UInt64 = 40_000
    /// PVALIDATE in the guest, of either size. The model's choice: one access to the RMP, like RMPUPDATE.
    public var validate: UInt64 = 80

    /// The default durations, from the posted figures.
    public static let standard = CostModel()

    /// The parts of one region's cost in a turn.
    ///
    /// - Parameters:
    ///   - turn: who executes RMPOPT.
    ///   - firstAssignedChunk: the lowest chunk (0 ... 511) with an assigned page, at which the scan stops; nil if
    ///     there is none.
    ///   - cores: how many cores execute RMPOPT with the region inside their window; the others answer at once.
    ///   - isCached: whether the other cores find the result of the first scan in the cache.
    ///   - isContended: whether a guest's pages are being returned at the same time.
    public func region(
        _ turn: PassTurn,
        firstAssignedChunk: Int?,
        cores: Int,
        isCached: Bool = true,
        isContended: Bool = false
    ) -> RegionCost {
        let chunks = UInt64(Granularity.chunksPerRegion)
        let scanned = cores == 0 ? 0 : UInt64(truncatingIfNeeded: firstAssignedChunk ?? Granularity.chunksPerRegion)
        func part(_ whole: UInt64) -> UInt64 { whole.multipliedClamped(by: scanned) / chunks }
        let others = cores > 1
        let cost =
            switch turn {
            case .leader: RegionCost(broadcast: 0, scan: part(fullScan).addingClamped(instruction), followers: 0)
            case .followers:
                RegionCost(broadcast: broadcast, scan: 0, followers: part(contendedFollower).addingClamped(instruction))
            case .independent:
                RegionCost(
                    broadcast: 0,
                    scan: 0,
                    followers: part(isCached ? independentFollower : fullScan).addingClamped(instruction)
                )
            case .oneThreadPerCore:
                RegionCost(
                    broadcast: broadcast,
                    scan: part(fullScan).addingClamped(instruction),
                    followers: others ? part(contendedFollower) : 0
                )
            case .allThreads:
                RegionCost(
                    broadcast: broadcast,
                    scan: part(fullScan).addingClamped(instruction),
                    followers: others ? part(contendedFollower.addingClamped(crowdedScan)) : 0
                )
            }
        guard isContended else { return cost }
        func slower(_ time: UInt64) -> UInt64 {
            time.multipliedClamped(by: UInt64(100).addingClamped(teardownContention)) / 100
        }
        return RegionCost(
            broadcast: slower(cost.broadcast),
            scan: slower(cost.scan),
            followers: slower(cost.followers)
        )
    }
}

/// Who executes RMPOPT in a turn.
public enum PassTurn: Sendable, Hashable {
    /// The leader alone, without any broadcast.
    case leader
    /// A broadcast to all others after the leader.
    case followers
    /// Each core by itself, after one broadcast for the whole range.
    case independent
    /// A broadcast to one thread of each core, without a leader.
    case oneThreadPerCore
    /// A broadcast to all threads, without a leader.
    case allThreads
}

/// When a CPU that executes RMPOPT in a turn has interrupts off.
public enum InterruptsOff: Sendable, Hashable {
    /// It does so in process context.
    case never
    /// For each region anew: each is a call of its own.
    case eachRegion
    /// From the begin of the turn to its end: it is one call.
    case wholeTurn
}

/// The cost of one region in a turn, in nanoseconds.
public struct RegionCost: Sendable, Hashable {
    /// The broadcast.
    public var broadcast: UInt64
    /// The first core's scan, and the instruction itself.
    public var scan: UInt64
    /// What the other cores add.
    public var followers: UInt64

    /// How long one core executes RMPOPT when it is interrupted for it: the cost of the region without the broadcast.
    public var handler: UInt64 { scan.addingClamped(followers) }
    /// The sum.
    public var total: UInt64 { broadcast.addingClamped(scan).addingClamped(followers) }
}

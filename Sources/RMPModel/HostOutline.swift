// SPDX-License-Identifier: Apache-2.0
// A booted machine in outline: what decides about its regions, for models that keep sums for each region instead of
// entries for each page.

/// What a host is like once it has booted, by regions and chunks of 2 MB.
public struct HostOutline: Sendable {
    /// The memory that guests can have.
    public let memory: HostMemory
    /// The regions that hold assigned pages: for each region the lowest chunk (0 ... 511) with one; nil if it has none.
    public let firstAssigned: [Int?]
    /// The regions over which a pass walks.
    public let range: Range<Int>
    /// How many cores have an RMPOPT table.
    public let cores: Int
    /// How many CPUs are online.
    public let cpus: Int
    /// Who takes part in a pass.
    public let crew: PassOutline
    /// For each region: how many cores have it in their window.
    public let coresInWindow: [Int]
    /// For each region: whether the leader's core, and how many of the others' cores, have it in their window.
    public let crewInWindow: [(leader: Bool, others: Int)]
    /// For each region: whether the leader's core has set its bit, and how many others have.
    public let optimized: [(leader: Bool, others: Int)]
    /// How many SNP guests can have an ASID at a time.
    public let asids: Int
}

/// The CPUs of a pass, as numbers.
public struct PassOutline: Sendable, Hashable {
    /// Whether one CPU walks over the range first.
    public let hasLeader: Bool
    /// Whether it is called for each region, with interrupts off.
    public let isLeaderCalled: Bool
    /// Whether the leader's core also takes part with the others.
    public let leaderFollows: Bool
    /// Cores of the others.
    public let otherCores: Int
    /// CPUs that execute RMPOPT at a broadcast.
    public let executors: Int
    /// CPUs that a broadcast interrupts.
    public let interrupted: Int
    /// Whether several threads of a core execute RMPOPT at once.
    public let isCrowded: Bool
}

extension Machine {
    /// The machine in outline. It should have no guests and nothing pending, as after it was built.
    ///
    /// - Parameter series: the version whose passes are described; nil for the machine's own.
    public func outline(passesOf series: Series? = nil) -> HostOutline {
        let series = series ?? configuration.series
        let mask = topology.select(series.passCPUs).intersection(topology.online)
        let crew = PassCrew(series, mask: mask, workerCPU: configuration.boot.workerCPU, platform, topology)
        let leaderFollows = !crew.leaderCores.intersection(crew.otherCores).isEmpty
        let onlyOthers = crew.otherCores.subtracting(crew.leaderCores)
        let everyCore = CoreSet(all: coreCount)
        var memory: [HostMemory.Span] = []
        var free: [Range<Int>] = []
        for span in guests.allocator.spans {
            memory.append(HostMemory.Span(chunks: span.chunks, node: span.node))
            guests.allocator.forEachFreeRun(in: [span.chunks], avoiding: platform.rmp.assignedChunks) { run in
                free.append(run.range)
                return true
            }
        }
        let first = (0..<regionCount).map { platform.rmp.firstAssignedChunk(ofRegion: $0) }
        return HostOutline(
            memory: HostMemory(
                spans: memory,
                free: free,
                fixed: (0..<regionCount).map { !platform.rmp.isOptimizable($0) }
            ),
            firstAssigned: first,
            range: driver.range,
            cores: coreCount,
            cpus: topology.online.count,
            crew: PassOutline(
                hasLeader: crew.leader != nil,
                isLeaderCalled: crew.isLeaderCalled,
                leaderFollows: leaderFollows,
                otherCores: onlyOthers.count + (leaderFollows ? 1 : 0),
                executors: crew.executors,
                interrupted: crew.interrupted,
                isCrowded: crew.isCrowded
            ),
            coresInWindow: (0..<regionCount).map { platform.rmpopt.coresWithWindow(over: $0, of: everyCore) },
            crewInWindow: (0..<regionCount).map { region in
                (
                    platform.rmpopt.coresWithWindow(over: region, of: crew.leaderCores) > 0,
                    platform.rmpopt.coresWithWindow(over: region, of: onlyOthers)
                )
            },
            optimized: (0..<regionCount).map { region in
                let isLed = platform.rmpopt.bits(ofRegion: region, in: crew.leaderCores) > 0
                return (isLed, platform.rmpopt.bits(ofRegion: region, in: onlyOthers))
            },
            asids: Int(configuration.processor.asidCount)
        )
    }
}

extension RMPOPTTables {
    /// How many bits of a region are set on some cores.
    fileprivate func bits(ofRegion region: Int, in cores: CoreSet) -> Int {
        (0..<wordsPerRow).reduce(0) { $0 + (bits[region * wordsPerRow + $1] & cores.words[$1]).nonzeroBitCount }
    }
}

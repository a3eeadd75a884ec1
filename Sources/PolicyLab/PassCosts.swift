// SPDX-License-Identifier: Apache-2.0
// The cost model's answers for every place where a scan can stop, worked out once: a month has millions of them.

import RMPModel

/// What one region costs in a turn, in ns.
struct TurnCost: Sendable {
    /// Until the next region's turn.
    var total: UInt64
    /// On each CPU that executes RMPOPT for it.
    var handler: UInt64
}

/// The costs of all turns: by the chunk at which the scan stops, by whether pages go back at the same time, and by how
/// many cores have the region in their window.
struct PassCosts: Sendable {
    /// No core, one, several.
    private static let windows = 3
    private static let stops = Pages.chunksPerRegion + 1
    private var table: [TurnCost] = []

    init(_ costs: CostModel, followers: PassTurn) {
        add(costs, .leader)
        add(costs, followers)
        add(costs, followers, isCached: false)
    }

    private mutating func add(_ costs: CostModel, _ turn: PassTurn, isCached: Bool = true) {
        for cores in 0..<PassCosts.windows {
            for isContended in [false, true] {
                for stop in 0..<PassCosts.stops {
                    let cost = costs.region(
                        turn,
                        firstAssignedChunk: stop == Pages.chunksPerRegion ? nil : stop,
                        cores: cores,
                        isCached: isCached,
                        isContended: isContended
                    )
                    table.append(TurnCost(total: cost.total, handler: cost.handler))
                }
            }
        }
    }

    @inline(__always)
    func cost(_ turn: Turn, stop: Int, cores: Int, isContended: Bool) -> TurnCost {
        table[PassCosts.place(turn, stop: stop, cores: cores, isContended: isContended)]
    }

    /// Where a cost lies in the table.
    @inline(__always)
    static func place(_ turn: Turn, stop: Int, cores: Int, isContended: Bool) -> Int {
        ((turn.rawValue * windows + min(cores, windows - 1)) * 2 + (isContended ? 1 : 0)) * stops + stop
    }

    /// The whole table at once, for a loop over regions.
    @inline(__always)
    func withTable(_ body: (UnsafeBufferPointer<TurnCost>) -> Void) { table.withUnsafeBufferPointer(body) }

    /// The leader's turn, and the others' with the leader's result in the cache or without.
    enum Turn: Int {
        case leader, cached, uncached
    }
}

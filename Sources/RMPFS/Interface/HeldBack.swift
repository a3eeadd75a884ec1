// SPDX-License-Identifier: Apache-2.0
// The one reason why a region is not optimized on all CPUs: each region counts once, so that the numbers add up.

import RMPModel

/// Reasons, that which stays longest first: a region with several has the first of them.
enum HeldBack: Int, Sendable, CaseIterable {
    case rmpTable
    case firmware
    case uncovered
    case leaked
    case guest
    case notEnabled
    case outside
    case notScanned
    case unknown

    /// The label's value.
    var word: StaticString {
        switch self {
        case .rmpTable: "rmp_table"
        case .firmware: "firmware"
        case .uncovered: "uncovered"
        case .leaked: "leaked"
        case .guest: "guest"
        case .notEnabled: "not_enabled"
        case .outside: "outside"
        case .notScanned: "not_scanned"
        case .unknown: "unknown"
        }
    }
}

/// How many regions have each reason.
struct HeldBackCounts: Sendable {
    private var counts = [UInt64](repeating: 0, count: HeldBack.allCases.count)

    init() {}

    subscript(reason: HeldBack) -> UInt64 { counts[reason.rawValue] }

    mutating func add(_ reason: HeldBack) { counts[reason.rawValue] += 1 }

    /// Those of a running kernel's table.
    /// - Parameter isOutside: whether a region is known to lie beyond the window of every core.
    init(_ map: OptimizationMap, isOutside: (_ region: Int) -> Bool) {
        let isWhole = map.sets.map { $0 == map.online }
        for region in map.regions {
            guard let set = map.set(ofRegion: region), !isWhole[set] else { continue }
            add(isOutside(region) ? .outside : .unknown)
        }
    }

    func write(into text: inout TextBuffer) {
        text.append(headOf: .heldBack)
        for reason in HeldBack.allCases { text.append(.heldBack, ("reason", reason.word), self[reason]) }
    }
}

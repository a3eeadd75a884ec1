// SPDX-License-Identifier: Apache-2.0
// Which 2 TB each core's RMPOPT table covers: what the series does, and what was proposed instead.

/// How RMPOPT_BASE is chosen.
public enum WindowPolicy: Sendable, Hashable, CaseIterable {
    /// As the version of the series does.
    case series
    /// For each node the window with the lowest average NUMA distance, sliding by 1 GB: proposed by Dave Hansen on v1
    /// 2/6 (2026-02-18), in no posted version.
    case lowestAverageDistance

    /// The word in machine files and the `series` file.
    public var word: StaticString {
        switch self {
        case .series: "series"
        case .lowestAverageDistance: "lowest-average-distance"
        }
    }
}

/// A planned window for some cores.
struct PlannedWindow: Sendable, Hashable {
    var base: UInt64
    var cores: CoreSet
    var node: Int
}

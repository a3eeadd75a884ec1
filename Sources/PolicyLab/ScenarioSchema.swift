// SPDX-License-Identifier: Apache-2.0
// Every key of a scenario as data.

import MachineFile
import RMPModel

enum ScenarioSchema {
    /// The most values of one key.
    static let most = 64
    /// The longest time, in ns: ten years.
    static let longest: UInt64 = 3_650 * 86_400_000_000_000

    private static let percent = Kind.decimal(0...100)
    private static let period = Kind.period(0...longest)
    private static let backings = Kind.word(BackingWords.all.map(\.word))

    /// The keys of a file.
    static let root: [Key] = [
        Key("name", .text),
        Key("description", .text),
        Key("program", .text),
        Key("machine", .oneOrMore(.text, most)),
        Key("cpus", .integer(1...Topology.cpuLimits.upperBound)),
        Key("memory", .bytes(MemoryMap.sizeLimits, multipleOf: 2 << 20)),
        Key("hosts", .integer(1...4_096)),
        Key("assignment", .word(Assignment.allCases.map(\.rawValue))),
        Key("duration", .period(1_000_000_000...longest)),
        Key("measure_from", period),
        Key("timeline_step", .period(1_000_000_000...longest)),
        Key("seed", .integer(0...Int.max)),
        Key("seeds", .integer(1...10_000)),
        Key("snp_percent", .oneOrMore(percent, most)),
        Key("placement", .oneOrMore(.word(PlacementWords.all), most)),
        Key("pool_percent", .oneOrMore(percent, most)),
        Key("trigger", .oneOrMore(.text, most)),
        Key("triggers", .list(.mapping(trigger), 1...most)),
        Key("snp_backing", .oneOrMore(backings, most)),
        Key("ordinary_backing", .oneOrMore(backings, most)),
        Key("host_percent", .oneOrMore(percent, most)),
        Key("page_cache_percent", .oneOrMore(percent, most)),
        Key("workload", .mapping(workload)),
        Key("conversions", .mapping(conversions)),
    ]

    private static let trigger = [
        Key("name", .text, required: true),
        Key("passes", .word(Series.all.map(\.name))),
        Key("guest_end", .flag),
        Key("conversion", .flag),
        Key("freed_region", .flag),
        Key("delay", period),
        Key("batching", .word(TriggerWords.batching.map(\.word))),
        Key("period", .period(1_000_000...longest)),
        Key("scope", .word(TriggerWords.scopes.map(\.word))),
    ]

    private static let workload = [
        Key("trace", .text),
        Key("trace_percent", .decimal(0...100)),
        Key("arrivals_per_hour", .oneOrMore(.decimal(0...1_000_000), most)),
        Key("sizes", .list(.mapping(size), 1...most)),
        Key("lifetimes", .list(.mapping(lifetime), 1...256)),
        Key("guests_per_tenant", .decimal(1...1_000_000)),
        Key("starts_full", .flag),
    ]

    private static let size = [
        Key("percent", percent, required: true),
        Key("memory", .bytes(4_096...MemoryMap.sizeLimits.upperBound, multipleOf: 4_096), required: true),
        Key("vcpus", .integer(1...4_096)),
    ]

    private static let lifetime = [
        Key("age", .period(0...longest), required: true),
        Key("alive_percent", percent, required: true),
    ]

    private static let conversions = [
        Key("per_hour", .oneOrMore(.decimal(0...3_600), most)),
        Key("size", .bytes(4_096...(1 << 40), multipleOf: 4_096)),
        Key("hold", .period(1_000_000...longest)),
    ]
}

enum BackingWords {
    static let all: [(word: String, value: Backing)] = [("4K", .size4K), ("2M", .size2M), ("1G", .size1G)]
    static func word(_ backing: Backing) -> String { all.first { $0.value == backing }?.word ?? "" }
}

enum TriggerWords {
    static let batching: [(word: String, value: Batching)] = [("first", .firstRequest), ("last", .lastRequest)]
    static let scopes: [(word: String, value: Trigger.Scope)] = [("whole", .whole), ("dirty", .dirty)]

    /// Triggers that have a name of their own besides the versions.
    static var shipped: [Trigger] {
        var dirty = Trigger(.v10)
        dirty.name = "dirty"
        dirty.scope = .dirty
        var conversion = Trigger(.v10)
        conversion.name = "conversion"
        conversion.atConversion = conversion.atGuestEnd
        var freed = Trigger.never()
        freed.name = "freed-region"
        freed.scope = .dirty
        freed.atFreedRegion = Trigger.Request(delay: 0, batching: .firstRequest)
        var periodic = Trigger.never()
        periodic.name = "periodic"
        periodic.period = 60_000_000_000
        return [.never(), dirty, conversion, freed, periodic]
    }
}

/// The allocators by name.
enum PlacementWords {
    /// The bound, which places nothing.
    static let optimum = "optimum"
    static let pool = "pool"
    static let all = [
        "packed", "aligned", "local", "scattered", "buddy", "best-fit", "segregated", pool, optimum,
    ]

    static func policy(_ word: String, seed: UInt64, pool: Double) -> any PlacementPolicy {
        switch word {
        case "aligned": AlignedPlacement()
        case "local": LocalPlacement()
        case "scattered": ScatteredPlacement(seed: seed)
        case "buddy": BuddyPlacement()
        case "best-fit": BestFitPlacement()
        case "segregated": SegregatedPlacement()
        case PlacementWords.pool: PoolPlacement(share: pool)
        default: PackedPlacement()
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Every key of a machine file as data: the checker walks it, and a test compares the manual with it.

import RMPModel

/// What the value of a key must be.
package indirect enum Kind: Sendable {
    /// Any text.
    case text
    /// A whole number.
    case integer(ClosedRange<Int>)
    /// A size or an address in bytes.
    case bytes(ClosedRange<UInt64>, multipleOf: UInt64)
    /// A time in ns.
    case duration(ClosedRange<UInt64>)
    /// true or false.
    case flag
    /// One of some words.
    case word([String])
    /// A cpulist.
    case cpuList
    /// A mapping of certain keys.
    case mapping([Key])
    /// A list of values of one kind, as many as given.
    case list(Kind, ClosedRange<Int>)
    /// A value of one kind, or a list of up to so many.
    case oneOrMore(Kind, Int)
    /// A time in ns, written with its unit, up to days.
    case period(ClosedRange<UInt64>)
    /// A number with or without decimals.
    case decimal(ClosedRange<Double>)
}

/// One key and its value.
package struct Key: Sendable {
    package let name: String
    package let kind: Kind
    package let isRequired: Bool

    package init(_ name: String, _ kind: Kind, required: Bool = false) {
        self.name = name
        self.kind = kind
        isRequired = required
    }
}

enum Schema {
    /// The most entries of any list, as many as Linux has nodes.
    static let most = Topology.nodeLimits.upperBound

    private static let top = MemoryMap.sizeLimits.upperBound
    private static let address = Kind.bytes(0...top, multipleOf: Granularity.page)

    private static let pages = Kind.list(
        .mapping([
            Key("start", address, required: true),
            Key("size", .bytes(Granularity.page...top, multipleOf: Granularity.page), required: true),
        ]),
        0...most
    )

    /// The keys of the file.
    static let root: [Key] = [
        Key("name", .text),
        Key("description", .text),
        Key("cpus", .mapping(cpus), required: true),
        Key("memory", .list(.mapping(span), 1...most), required: true),
        Key("distances", .list(.list(.integer(NUMADistances.limits), 1...most), 1...most)),
        Key("rmp", .mapping(rmp)),
        Key("firmware", .mapping([Key("pages", pages), Key("hv_fixed", pages)])),
        Key("processor", .mapping(ProcessorKeys.all.map { Key($0.name, $0.kind) })),
        Key("series", .word(Series.all.map(\.name))),
        Key("windows", .word(Words.windows.map(\.word))),
        Key("boot", .mapping(boot)),
        Key("costs", .mapping(CostKeys.all.map { Key($0.name, $0.kind) })),
    ]

    private static let cpus = [
        Key("packages", .integer(1...64)),
        Key("nodes_per_socket", .integer(1...4)),
        Key("cores_per_package", .integer(1...Topology.cpuLimits.upperBound), required: true),
        Key("threads_per_core", .integer(1...2)),
        Key("memory_only_nodes", .integer(0...(Topology.nodeLimits.upperBound - 1))),
        Key("present", .cpuList),
        Key("online", .cpuList),
    ]

    private static let span = [
        Key("start", .bytes(0...top, multipleOf: Granularity.chunk)),
        Key("size", .bytes(Granularity.chunk...top, multipleOf: Granularity.chunk), required: true),
        Key("node", .integer(0...(Topology.nodeLimits.upperBound - 1))),
    ]

    private static let rmpBase = Kind.bytes(0...top, multipleOf: 1 << 20)

    private static let rmp = [
        Key("base", rmpBase),
        Key("segment_size", .bytes(Granularity.chunk...top, multipleOf: Granularity.chunk)),
        Key("segments", .list(.mapping(segment), 1...512)),
        Key("contiguous", .mapping(contiguous)),
    ]

    private static let contiguous = [
        Key("base", rmpBase, required: true),
        Key("end", .bytes(1...top, multipleOf: 1), required: true),
    ]

    private static let segment = [
        Key("index", .integer(0...511), required: true),
        Key("base", rmpBase, required: true),
        Key("covers", .bytes(0...(0xf_ffff << 30), multipleOf: Granularity.region), required: true),
    ]

    private static let boot = [
        Key("stage", .word(Words.stages.map(\.word))),
        Key("firmware_delay", .duration(0...Words.longestDelay)),
        Key("window_allocation", .word(Words.allocation.map(\.word))),
        Key("driver_failure", .word(Words.driverFailures.map(\.word))),
        Key("log", .word(Words.logViews.map(\.word))),
        Key("worker_cpu", .integer(0...(Topology.cpuLimits.upperBound - 1))),
        Key("kvm", .word(Words.kvm.map(\.word))),
        Key("late_memory", .bytes(0...top, multipleOf: Granularity.region)),
    ]

    /// The mappings below `keys` in which a key of this name is known, by their paths; the file's own mapping is the
    /// empty path.
    static func places(of name: String, in keys: [Key], path: String = "") -> [String] {
        keys.flatMap { key in
            let own = key.name == name ? [path] : []
            switch key.kind {
            case .mapping(let inner), .list(.mapping(let inner), _), .oneOrMore(.mapping(let inner), _):
                return own + places(of: name, in: inner, path: path.isEmpty ? key.name : "\(path).\(key.name)")
            default: return own
            }
        }
    }
}

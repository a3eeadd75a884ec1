// SPDX-License-Identifier: Apache-2.0
// Maps the words and numbers of a machine file to the model: one table for each key or group of keys.

import RMPModel

enum Words {
    /// `windows`.
    static let windows: [(word: String, value: WindowPolicy)] = [
        ("series", .series), ("lowest-average-distance", .lowestAverageDistance),
    ]
    /// `boot.stage`.
    static let stages: [(word: String, value: BootPlan.Stage)] = [("kernel", .kernel), ("firmware", .firmware)]
    /// `boot.window_allocation`: whether it fails.
    static let allocation: [(word: String, value: Bool)] = [("ok", false), ("fails", true)]
    /// `boot.driver_failure`: what the kernel fails to allocate.
    static let driverFailures: [(word: String, value: Set<DriverFailure>)] = [
        ("none", []), ("thread", [.thread]), ("configfs", [.configfs]), ("workqueue", [.workqueue]),
        ("cpumask", [.cpumask]), ("pass-cpumask", [.passCPUMask]),
    ]
    /// `boot.log`.
    static let logViews: [(word: String, value: LogView)] = [("plain", .plain), ("debug", .debug), ("raw", .raw)]
    /// `boot.kvm`: whether it is built into the kernel.
    static let kvm: [(word: String, value: Bool)] = [("module", false), ("built-in", true)]
    /// `boot.firmware_delay`, in ns: at most a day.
    static let longestDelay: UInt64 = 86_400_000_000_000

    /// The value of a word, or nil.
    static func value<Value>(_ word: String?, in table: [(word: String, value: Value)]) -> Value? {
        word.flatMap { word in table.first { $0.word == word }?.value }
    }

    /// The word of a value.
    static func word<Value: Equatable>(_ value: Value, in table: [(word: String, value: Value)]) -> String {
        table.first { $0.value == value }?.word ?? ""
    }
}

/// The keys of `costs`: the parameters of the cost model by their names.
enum CostKeys {
    /// One parameter.
    struct Parameter: Sendable {
        let name: String
        let path: any WritableKeyPath<CostModel, UInt64> & Sendable
        let kind: Kind

        init(
            _ name: String,
            _ path: any WritableKeyPath<CostModel, UInt64> & Sendable,
            _ kind: Kind = .duration(0...CostKeys.largest)
        ) {
            self.name = name
            self.path = path
            self.kind = kind
        }
    }

    /// The largest duration, in ns: one second for a single step.
    static let largest: UInt64 = 1_000_000_000

    static let all = [
        Parameter("broadcast", \.broadcast),
        Parameter("instruction", \.instruction),
        Parameter("full_scan", \.fullScan),
        Parameter("contended_follower", \.contendedFollower),
        Parameter("independent_follower", \.independentFollower),
        Parameter("cached_regions", \.cachedRegions, .integer(0...2_048)),
        Parameter("crowded_scan", \.crowdedScan),
        Parameter("teardown_contention", \.teardownContention, .integer(0...1000)),
        Parameter("serial_call", \.serialCall),
        Parameter("thread_sleep", \.threadSleep),
        Parameter("share_4k", \.share4K),
        Parameter("share_2m", \.share2M),
        Parameter("assign", \.assign),
        Parameter("smash", \.smash),
        Parameter("private_fault", \.privateFault),
        Parameter("launch_update", \.launchUpdate),
        Parameter("validate", \.validate),
    ]
}

/// The keys of `processor`.
enum ProcessorKeys {
    /// One key: what it must be, and where its value goes.
    struct Feature: Sendable {
        let name: String
        let kind: Kind
        let set: @Sendable (inout Processor, Value) -> Void
    }

    /// A feature of CPUID that is there or not.
    private static func flag(_ name: String, _ path: any WritableKeyPath<Processor, Bool> & Sendable) -> Feature {
        Feature(name: name, kind: .flag) { if case .flag(let value) = $1 { $0[keyPath: path] = value } }
    }

    static let all = [
        flag("snp", \.snp),
        flag("rmpread", \.rmpread),
        flag("segmented_rmp", \.segmentedRMP),
        flag("rmpopt", \.rmpopt),
        flag("segment_reduction", \.segmentReduction),
        flag("keeps_rmpopt_enable", \.keepsRMPOPTEnable),
        // The two ends of a range; their order is checked when both are known.
        Feature(name: "segment_shift_min", kind: .integer(shifts)) { _, _ in },
        Feature(name: "segment_shift_max", kind: .integer(shifts)) { _, _ in },
        Feature(name: "cached_segments", kind: .integer(0...1023)) {
            if case .integer(let value) = $1 { $0.cachedSegments = value }
        },
        Feature(name: "asids", kind: .integer(1...1023)) {
            if case .integer(let value) = $1 { $0.asidCount = UInt16(clamping: value) }
        },
    ]

    /// The range of a six-bit CPUID field, from the size of a region up.
    private static let shifts = 28...63
}

// SPDX-License-Identifier: Apache-2.0
// The checks of `rmpfs doctor` for resource limits.

extension Check {
    /// Resident memory of the largest machine's daemon with room to spare, in bytes.
    private static let enoughMemory: UInt64 = 256 << 20
    /// Descriptors that a daemon has open at most, with room to spare.
    private static let enoughDescriptors: UInt64 = 64
    /// Threads of a daemon, with room to spare.
    private static let enoughThreads: UInt64 = 32

    static let limitChecks = [
        Check(
            "memory",
            .limits,
            "256 MB of memory are available.",
            hint: "End other programs, or raise the container's limit. A small machine needs about 20 MB."
        ) { host in
            guard let text = host.field("MemAvailable", in: "/proc/meminfo")?.first, let kilobytes = UInt64(text) else {
                return .notApplicable("/proc/meminfo does not tell")
            }
            let found = "\(kilobytes >> 10) MB are available"
            return kilobytes << 10 >= enoughMemory ? .pass(found) : .fail(found)
        },
        Check(
            "open-files",
            .limits,
            "A process may have 64 open files.",
            hint: "Raise the limit: ulimit -n 1024."
        ) { host in atLeast(enoughDescriptors, "Max open files", of: host) },
        Check(
            "processes",
            .limits,
            "A user may have 32 processes and threads.",
            hint: "Raise the limit: ulimit -u 1024."
        ) { host in
            if host.user == 0 { return .notApplicable("root has no such limit") }
            return atLeast(enoughThreads, "Max processes", of: host)
        },
    ]

    private static func atLeast(_ least: UInt64, _ name: String, of host: Host) -> Finding {
        guard host.lines("/proc/self/limits") != nil else { return .notApplicable("/proc/self/limits does not tell") }
        guard let limit = host.limit(name) else { return .pass("unlimited") }
        return limit >= least ? .pass("\(limit)") : .fail("only \(limit)")
    }
}

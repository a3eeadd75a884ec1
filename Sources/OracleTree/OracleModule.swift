// SPDX-License-Identifier: Apache-2.0
// The made-up values of the kernel module behind the recordings: which region is optimized on which CPU, and the state
// of an optimization that takes 200 ms.

import Glibc
import RMPFS
import RMPModel
import Synchronization

/// The state that the kernel module keeps.
final class OracleModule: Sendable {
    let regions: Int
    let cpus: Int

    private struct Optimization {
        var started: UInt64 = 0
        var endsAt: UInt64 = 0
    }

    private let optimization = Mutex(Optimization())
    private static let duration: UInt64 = 200_000_000

    init(regions: Int, cpus: Int) {
        self.regions = regions
        self.cpus = cpus
    }

    private static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    var isInProgress: Bool { optimization.withLock { Self.now < $0.endsAt } }

    /// How many optimizations have been started.
    var scans: UInt64 { optimization.withLock { $0.started } }

    /// Accepts the number 1. While an optimization runs, the write succeeds and starts nothing.
    func store(_ value: StoredText) throws(Errno) {
        guard try value.unsignedInt() == 1 else { throw .invalid }
        optimization.withLock { run in
            guard Self.now >= run.endsAt else { return }
            run.started += 1
            run.endsAt = Self.now + Self.duration
        }
    }

    func isOptimized(_ region: Int, on cpu: Int) -> Bool {
        region % 5 == 1 || region % 5 != 0 && (region * 7 + cpu * 3) % 5 < 3
    }

    /// The list of CPUs on which a region is optimized, as the kernel's `%*pbl` prints it.
    func cpuList(of region: Int) -> [UInt8] {
        var set = CPUSet(limit: cpus)
        for cpu in 0..<cpus where isOptimized(region, on: cpu) { set.insert(cpu) }
        return CPUList.format(set)
    }
}

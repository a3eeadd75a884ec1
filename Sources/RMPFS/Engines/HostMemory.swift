// SPDX-License-Identifier: Apache-2.0
// The memory that the system gives this process: checked before a machine grows, and given back after it has shrunk.

import Glibc
import Synchronization

/// This process's memory.
///
/// Swift ends the process when malloc(3) fails. So a command that can make a machine grow first asks whether as much
/// memory as it may need (`Machine.memoryNeeded(for:)`) is available; if not, it is refused with ENOMEM, and nothing
/// has changed.
final class HostMemory: Sendable {
    /// What a command must leave free, in bytes: the most that texts of open files take (``HeldTexts``), which requests
    /// that do not ask need to continue.
    static let headroom = 64 << 20
    /// How much a machine must shrink, in bytes, before it is worth looking for free pages.
    private static let worthwhile = 32 << 20

    /// The most that the machine has taken since memory was last given back.
    private let peak = Atomic<Int>(0)
    private let isDue = Atomic<Bool>(false)

    init() {}

    /// Makes sure that this much memory is available: by the limits of the process (RLIMIT_AS, RLIMIT_DATA) and by what
    /// the system lets it commit. It cannot check a memory cgroup's limit: beyond that the kernel ends a process.
    ///
    /// - Parameter bytes: the most that a command may need; 0 is never refused.
    /// - Throws: ``Errno/noMemory``.
    static func require(_ bytes: Int) throws(Errno) { if !has(bytes) { throw .noMemory } }

    /// Whether so much memory can be had, as ``require(_:)`` tells.
    static func has(_ bytes: Int) -> Bool {
        if bytes == 0 { return true }
        let (sum, overflow) = bytes.addingReportingOverflow(headroom)
        let map = overflow ? MAP_FAILED : mmap(nil, sum, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let map, map != MAP_FAILED else { return false }
        munmap(map, sum)
        return true
    }

    /// Records how much the machine takes now. Called with its lock held.
    func note(_ bytes: Int) {
        let most = peak.load(ordering: .relaxed)
        if bytes > most {
            peak.store(bytes, ordering: .relaxed)
        } else if most - bytes >= Self.worthwhile {
            peak.store(bytes, ordering: .relaxed)
            isDue.store(true, ordering: .releasing)
        }
    }

    /// Gives free pages back to the system, if there are enough.
    func giveBack() {
        guard isDue.load(ordering: .relaxed), isDue.exchange(false, ordering: .acquiring) else { return }
        LongWork.announce()
        Heap.trim()
    }
}

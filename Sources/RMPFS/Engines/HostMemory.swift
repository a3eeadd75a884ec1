// SPDX-License-Identifier: Apache-2.0
// The memory that the system gives this process: looked for before a machine grows, and given back when it has shrunk.

import Glibc
import Synchronization

/// This process' memory.
///
/// Swift ends the process when malloc(3) finds none. So a command that can make a machine grow asks first whether there
/// is as much as it may need (`Machine.memoryNeeded(for:)`); if not, it is refused with ENOMEM and nothing has changed.
final class HostMemory: Sendable {
    /// What must be left behind a command, in bytes: the most that texts of open files take (``HeldTexts``), with which
    /// requests that do not ask go on.
    static let headroom = 64 << 20
    /// How much a machine has to shrink, in bytes, before it is worth looking for pages that can go back.
    private static let worthwhile = 32 << 20

    /// The most that the machine took since memory last went back.
    private let peak = Atomic<Int>(0)
    private let isDue = Atomic<Bool>(false)

    init() {}

    /// Makes sure that so much memory can be had: by the limits of the process (RLIMIT_AS, RLIMIT_DATA) and by what the
    /// system lets it commit. A memory cgroup's limit cannot be asked: beyond it the kernel ends a process.
    ///
    /// - Parameter bytes: what a command may need at most; 0 needs nothing, and is never refused.
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

    /// Takes note of how much the machine takes now. Called with its lock held.
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

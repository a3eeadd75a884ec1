// SPDX-License-Identifier: Apache-2.0
// The memory that the system gives this process: checked before a machine grows, and given back after it has shrunk.

import Glibc
import RMPModel
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
    /// What the machine has no use for.
    private let discarded = Lock<[DiscardedMemory]>([])

    init() {}

    /// Makes sure that this much memory is available: by the limits of the process (RLIMIT_AS, RLIMIT_DATA) and by what
    /// the system lets it commit. It cannot check a memory cgroup's limit: beyond that the kernel ends a process.
    ///
    /// - Parameter bytes: the most that a command may need; 0 is never refused.
    /// - Throws: ``Errno/noMemory``.
    static func require(_ bytes: Int) throws(Errno) { if !has(bytes) { throw .noMemory } }

    /// Whether so much memory can be had, as ``require(_:)`` decides.
    static func has(_ bytes: Int) -> Bool {
        if bytes == 0 { return true }
        let (sum, overflow) = bytes.addingReportingOverflow(headroom)
        let map = overflow ? MAP_FAILED : mmap(nil, sum, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let map, map != MAP_FAILED else { return false }
        munmap(map, sum)
        return true
    }

    /// Records how much a machine takes now, and takes what it has no use for. Called with its lock held.
    func note(_ machine: inout Machine) {
        if let memory = machine.takeDiscardedMemory() {
            discarded.withLock { $0.append(memory) }
            isDue.store(true, ordering: .releasing)
        }
        let bytes = machine.storedBytes
        let most = peak.load(ordering: .relaxed)
        if bytes > most {
            peak.store(bytes, ordering: .relaxed)
        } else if most - bytes >= Self.worthwhile {
            peak.store(bytes, ordering: .relaxed)
            isDue.store(true, ordering: .releasing)
        }
    }

    /// Has free pages given back to the system, if there are enough, behind this thread's answer. Called without the
    /// machine's lock.
    func giveBack() {
        if isDue.load(ordering: .relaxed), !LongWork.follow({ self.giveBackNow() }) { giveBackNow() }
    }

    /// Gives free pages back to the system, if there are enough. Whoever needs new memory meanwhile waits, so this is
    /// called between the pieces of long work: then there are few.
    func giveBackNow() {
        guard isDue.load(ordering: .relaxed), isDue.exchange(false, ordering: .acquiring) else { return }
        LongWork.announce()
        // Dropped behind the lock.
        var dropped: [DiscardedMemory] = []
        discarded.withLock { swap(&$0, &dropped) }
        dropped = []
        Heap.trim()
    }
}

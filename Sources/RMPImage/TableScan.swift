// SPDX-License-Identifier: Apache-2.0
// A scan of many regions by several threads, each of which takes the next region that nobody has taken.

import Glibc
import RMPModel
import Synchronization

/// What a scan found, and what it cost.
public struct ScanResult: Sendable {
    /// In the order of the regions.
    public let regions: [RegionTally]
    /// Bytes of table that were looked at; holes of a file are none.
    public let bytesRead: UInt64
}

extension ScannedTable {
    /// Scans regions.
    ///
    /// Memory is needed for the tallies, and 4 MB for each thread where bytes are not shown where they lie.
    /// - Parameters:
    ///   - regions: which; those beyond ``regions`` come out uncovered.
    ///   - threads: 1 or more.
    /// - Throws: the first error of any thread.
    public func scan(
        _ regions: Range<Int>,
        in memory: any PhysicalMemory,
        depth: ScanDepth = .full,
        threads: Int = 1
    ) throws(MemoryError) -> ScanResult {
        let shared = SharedScan(self, memory, depth, regions)
        var others: [pthread_t] = []
        for _ in 1..<max(threads, 1) {
            var thread = pthread_t()
            // Fewer threads are slower, and no error.
            let reference = Unmanaged.passRetained(shared as SharedWork)
            if pthread_create(&thread, nil, runWork, reference.toOpaque()) == 0 {
                others.append(thread)
            } else {
                reference.release()
            }
        }
        shared.work()
        for thread in others { pthread_join(thread, nil) }
        return try shared.result()
    }
}

/// Something that several threads do together.
private class SharedWork: @unchecked Sendable {
    func work() {}
}

/// The body of a thread, apart from any actor.
private func runWork(_ reference: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let reference { Unmanaged<SharedWork>.fromOpaque(reference).takeRetainedValue().work() }
    return nil
}

/// A scan as its threads share it. Unchecked because its base is: all is constant, atomic or behind the mutex.
private final class SharedScan: SharedWork, @unchecked Sendable {
    private struct Found {
        var tallies: [RegionTally] = []
        var bytesRead: UInt64 = 0
        var error: MemoryError?
    }

    private let table: ScannedTable
    private let memory: any PhysicalMemory
    private let depth: ScanDepth
    private let regions: Range<Int>
    private let next: Atomic<Int>
    private let found = Mutex(Found())

    init(_ table: ScannedTable, _ memory: any PhysicalMemory, _ depth: ScanDepth, _ regions: Range<Int>) {
        self.table = table
        self.memory = memory
        self.depth = depth
        self.regions = regions
        next = Atomic(regions.lowerBound)
    }

    override func work() {
        let scanner = RegionScanner(table, in: memory, depth)
        var tallies: [RegionTally] = []
        var failure: MemoryError?
        while failure == nil {
            let region = next.add(1, ordering: .relaxed).oldValue
            if region >= regions.upperBound { break }
            do throws(MemoryError) {
                tallies.append(try scanner.scan(region))
            } catch {
                failure = error
                // The others stop, too.
                next.store(regions.upperBound, ordering: .relaxed)
            }
        }
        let (mine, bytes, error) = (tallies, scanner.bytesRead, failure)
        found.withLock { found in
            found.tallies += mine
            found.bytesRead += bytes
            if found.error == nil { found.error = error }
        }
    }

    func result() throws(MemoryError) -> ScanResult {
        let all = found.withLock { $0 }
        if let error = all.error { throw error }
        return ScanResult(regions: all.tallies.sorted { $0.region < $1.region }, bytesRead: all.bytesRead)
    }
}

// SPDX-License-Identifier: Apache-2.0
// A scan of many regions by several threads, each of which takes the next region that no thread has taken.

import Glibc
import RMPModel
import Synchronization

/// What a scan found, and what it cost.
public struct ScanResult: Sendable {
    /// In the order of the regions.
    public let regions: [RegionTally]
    /// Bytes of the table that were read; holes of a file do not count.
    public let bytesRead: UInt64
}

extension ScannedRMP {
    /// Scans regions.
    ///
    /// It needs memory for the tallies, and 4 MB for each thread if bytes are not read in place.
    /// - Parameters:
    ///   - regions: the regions to scan; those beyond ``regions`` are reported as uncovered.
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
            // Fewer threads are slower, but not an error.
            let reference = Unmanaged.passRetained(shared)
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

/// The body of a thread, outside any actor.
private func runWork(_ reference: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let reference { Unmanaged<SharedScan>.fromOpaque(reference).takeRetainedValue().work() }
    return nil
}

/// A scan that threads share.
private final class SharedScan: Sendable {
    private struct Found {
        var tallies: [RegionTally] = []
        var bytesRead: UInt64 = 0
        var error: MemoryError?
    }

    private let rmp: ScannedRMP
    private let memory: any PhysicalMemory
    private let depth: ScanDepth
    private let regions: Range<Int>
    private let next: Atomic<Int>
    private let found = Mutex(Found())

    init(_ rmp: ScannedRMP, _ memory: any PhysicalMemory, _ depth: ScanDepth, _ regions: Range<Int>) {
        self.rmp = rmp
        self.memory = memory
        self.depth = depth
        self.regions = regions
        next = Atomic(regions.lowerBound)
    }

    func work() {
        let scanner = RegionScanner(rmp, in: memory, depth)
        var tallies: [RegionTally] = []
        var failure: MemoryError?
        while failure == nil {
            let region = next.add(1, ordering: .relaxed).oldValue
            if region >= regions.upperBound { break }
            do throws(MemoryError) {
                tallies.append(try scanner.scan(region))
            } catch {
                failure = error
                // Makes the others stop, too.
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

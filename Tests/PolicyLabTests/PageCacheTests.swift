// SPDX-License-Identifier: Apache-2.0
// The page cache of the lab: what it holds, that it gives way, and that it takes nothing from guests.

import RMPModel
import Testing

@testable import PolicyLab

@Suite struct PageCacheTests {
    /// Against a list of single pages.
    @Test func dropsTheOldest() {
        var random = PolicyLab.Random(seed: testSeed)
        var cache = PageCache(share: 1)
        var pages: [Int] = []
        var next = 0
        for step in 0..<2_000 {
            if random.chance(2) {
                let runs = (0..<(1 + random.next(below: 4))).map { _ -> PageRun in
                    next += random.next(below: 3)
                    defer { next += 700 }
                    return PageRun(first: next, count: 1 + random.next(below: 700))
                }
                cache.add(runs)
                pages += runs.flatMap { Array($0.pages) }
            } else {
                let asked = random.next(below: 3_000)
                let count = min(pages.count, (asked + 511) / 512 * 512)
                #expect(cache.drop(asked).flatMap { Array($0.pages) } == Array(pages.prefix(count)), "step \(step)")
                pages.removeFirst(count)
            }
            #expect(cache.pages == pages.count, "step \(step), seed \(testSeed)")
        }
    }

    @Test func growsToItsShareInWholeChunks() {
        var cache = PageCache(share: 0.5)
        #expect(cache.growth(free: 4 * 512 + 100) == 2 * 512)
        cache.add([PageRun(first: 0, count: 2 * 512)])
        #expect(cache.growth(free: 2 * 512) == 0)
        #expect(cache.growth(free: 100) == 0, "it does not shrink by itself")
    }

    private static func table(_ cache: Int, _ rows: String) throws -> ResultTable {
        let scenario = try Scenario(
            text: """
                cpus: 8
                memory: 16G
                duration: 200s
                host_percent: 0
                page_cache_percent: \(cache)
                snp_backing: 2M
                workload: {trace: t.csv}
                """,
            trace: "arrival_s,memory_mib,lifetime_s,snp\n" + rows
        )
        return ResultTable(csv: scenario.results(jobs: 1).csv)
    }

    /// With a share of all, what guests do not have is the cache's, and every guest gets what it gets without one.
    @Test func givesWayToGuests() throws {
        let guests = "0,1024,,0\n50,8192,100,1\n60,2048,,1\n160,6144,,0\n"
        let (none, full) = (try Self.table(0, guests), try Self.table(100, guests))
        func value(_ table: ResultTable, _ column: String) -> Double {
            table.column(column).first.flatMap { Double($0) } ?? -1
        }
        for column in ["guests", "refused", "snp_bytes_mean"] {
            #expect(value(none, column) == value(full, column), "\(column)")
        }
        #expect(value(full, "guests") == 4 && value(full, "refused") == 0)
        // What comes back page by page while a guest ends is free for that time, less than 10 ms.
        let half = 0.001 * Double(8 << 30)
        #expect(value(full, "free_bytes_mean") < half, "all that is free is the cache's")
        let free = value(none, "ordinary_bytes_mean") + value(none, "free_bytes_mean")
        #expect(abs(value(full, "ordinary_bytes_mean") + value(full, "free_bytes_mean") - free) < half)
    }

    /// A guest that no cache could make room for is refused, and the cache is there again.
    @Test func isThereAgain() throws {
        let table = try Self.table(100, "50,65536,,1\n")
        #expect(table.column("refused") == ["1"])
        #expect(table.column("free_bytes_mean").first.flatMap { Double($0) } == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
// The rows of the versions against what was posted, written out once more by hand: a slip in the table must not pass.

import Testing

@testable import RMPModel

@Suite struct SeriesTests {
    @Test func whenAndHowMany() {
        #expect(Series.all.map(\.version) == Array(1...10))
        let dates = ["02-17", "03-02", "03-30", "04-13", "05-18", "06-02", "06-08", "06-15", "06-24", "06-30"]
        #expect(Series.all.map(\.date) == dates.map { "2026-" + $0 })
        #expect(Series.all.map(\.patches) == [6, 7, 6, 7, 7, 6, 6, 7, 6, 6])
        #expect(Series.all.allSatisfy { Series.named($0.name) == $0 })
        for name in ["", "v", "v0", "v11", "V1", "v01", " v1", "1"] { #expect(Series.named(name) == nil) }
    }

    /// Path, mode, the line for the address behind the last, the cap, llseek, the shared mask.
    @Test func files() {
        let arch = "x86/rmpopt/rmpopt-table"
        let rows: [String] = Series.all.map { series in
            guard let table = series.table else { return "none" }
            let words = [
                table.hasEndLine ? "end-line" : "", table.limit.map { "\($0)" } ?? "", table.isSeekable ? "seek" : "",
                table.sharesMask ? "shared" : "",
            ]
            return ([table.path, String(table.mode, radix: 8)] + words.filter { !$0.isEmpty }).joined(separator: " ")
        }
        #expect(
            rows == [
                "rmpopt/rmpopt-table 444 end-line seek shared", "\(arch) 444 end-line seek shared",
                "\(arch) 444 end-line seek shared", "\(arch) 444 end-line seek shared", "\(arch) 444 2199023255552",
                "\(arch) 400 2199023255552 seek", "\(arch) 400 2199023255552 seek", "\(arch) 400 2199023255552 seek",
                "none", "none",
            ]
        )
        #expect(Series.all.map(\.hasConfigfs) == [true] + Array(repeating: false, count: 9))
    }

    /// Delays in ms: boot, SNP_INIT_EX, a request, a guest's end; nil where there is no pass.
    @Test func triggers() {
        let late: [UInt64?] = [nil, 0, 0, 10_000]
        let expected: [[UInt64?]] = [[0, 0, 0, nil], [0, 0, 0, 0], [1, 10_000, 0, 10_000]]
        let delays = Series.all.map { series in
            [PassTrigger.boot, .firmwareInit, .request, .guestEnd].map { trigger in
                series.delays[trigger].map { $0 / 1_000_000 }
            }
        }
        #expect(delays == expected + Array(repeating: late, count: 7))
        #expect(
            Series.all.map(\.guestEndPoint)
                == [.never, .inodeFree, .beforeDecommission, .beforeDecommission]
                + Array(repeating: .afterDecommission, count: 6)
        )
        #expect(
            Series.all.map(\.worker) == [.thread, .thread]
                + Array(repeating: .workqueue(.firstRequest), count: 5)
                + Array(repeating: .workqueue(.lastRequest), count: 3)
        )
    }

    @Test func passes() {
        #expect(
            Series.all.map(\.participants)
                == [.firstOnlineThreads, .allOnline, .firstOnlineThreads, .firstOnlineThreads]
                + Array(repeating: .primaryThreadsAtSetUp, count: 6)
        )
        #expect(Series.all.map(\.order) == [.broadcast, .broadcast] + Array(repeating: .leaderFirst, count: 8))
        #expect(Series.all.map(\.passLimit) == [nil] + Array(repeating: 1 << 41, count: 9))
        #expect(Series.all.map(\.windowRule) == [.perSocket] + Array(repeating: .startOfMemory, count: 9))
        #expect(Series.all.filter(\.allocatesMask).map(\.version) == Array(6...10))
    }

    @Test func life() {
        #expect(Series.all.filter { $0.setUp == .boot }.map(\.version) == [1, 2, 3])
        #expect(Series.all.filter(\.hasCleanUp).map(\.version) == Array(5...10))
        #expect(Series.all.filter(\.hasReinitGuard).map(\.version) == Array(5...10))
        #expect(Series.all.filter { $0.snpEnabling == .prepare }.map(\.version) == [8, 9, 10])
        #expect(
            Series.all.map(\.hotplug) == Array(repeating: .allowed, count: 7)
                + [.forbiddenAfterInit, .forbiddenUntilSNPCleared, .forbiddenBeforeSNP]
        )
    }
}

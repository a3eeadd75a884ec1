// SPDX-License-Identifier: Apache-2.0
// The table of versions, compared with a second one written by hand from the posted patches.

import Testing

@testable import RMPModel

@Suite struct SeriesTests {
    @Test func whenAndHowMany() {
        #expect(Series.all.map(\.name) == (1...10).map { "v\($0)" } + ["merged"])
        let dates = ["02-17", "03-02", "03-30", "04-13", "05-18", "06-02", "06-08", "06-15", "06-24", "06-30", "09-18"]
        #expect(Series.all.map(\.date) == dates.map { "2026-" + $0 })
        #expect(Series.all.map(\.patches) == [6, 7, 6, 7, 7, 6, 6, 7, 6, 6, 5])
        #expect(Series.all.allSatisfy { Series.named($0.name) == $0 })
        #expect(Series.named("edb1b49e724e") == .merged)
        for name in ["", "v", "v0", "v11", "V1", "v01", " v1", "1"] { #expect(Series.named(name) == nil) }
    }

    /// Path, mode, whether there is a line for the address past the last, the cap, llseek, the shared mask.
    @Test func files() {
        let arch = "x86/rmpopt/rmpopt-table"
        let rows: [String] = Series.all.map { series in
            guard let table = series.debugfsTable else { return "none" }
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
                "none", "none", "none",
            ]
        )
        #expect(Series.all.map(\.hasConfigfs) == [true] + Array(repeating: false, count: 10))
        #expect(Series.all.filter(\.hasProgressFlag).map(\.version) == [1])
    }

    /// Delays in ms: boot, SNP_INIT_EX, a request, a guest's end; nil if there is no pass.
    @Test func triggers() {
        let late: [UInt64?] = [nil, 0, 0, 10_000]
        let expected: [[UInt64?]] = [[0, 0, 0, nil], [0, 0, 0, 0], [1, 10_000, 0, 10_000]]
        let delays = Series.all.map { series in
            [PassTrigger.boot, .firmwareInit, .request, .guestEnd].map { trigger in
                series.request(at: trigger).map { $0.delay / 1_000_000 }
            }
        }
        #expect(delays == expected + Array(repeating: late, count: 7) + [[nil, 10_000, 0, 10_000]])
        #expect(
            Series.all.map(\.guestEndPoint)
                == [.never, .inodeFree, .beforeDecommission, .beforeDecommission]
                + Array(repeating: .afterDecommission, count: 7)
        )
        #expect(
            Series.all.map(\.worker) == [.thread, .thread]
                + Array(repeating: .unboundWorkqueue, count: 8) + [.perCPUWorkqueue]
        )
    }

    @Test func passes() {
        #expect(
            Series.all.map(\.passCPUs)
                == [.firstOnlineThreads, .allOnline] + Array(repeating: .onlinePrimaryThreads, count: 9)
        )
        #expect(
            Series.all.map(\.maskMoment)
                == [.passAndBefore, .pass] + Array(repeating: .setUp, count: 8) + [.pass]
        )
        #expect(
            Series.all.map(\.order)
                == [.broadcastEachRegion, .broadcastEachRegion] + Array(repeating: .leaderThenEachRegion, count: 8)
                + [.leaderThenWholeRange]
        )
        #expect(
            Series.all.map(\.leader)
                == [
                    .none, .none, .anyCPU(joinsMask: true), .anyCPU(joinsMask: false), .anyCPU(joinsMask: false),
                    .checked(byCall: true), .checked(byCall: true), .checked(byCall: false), .anyCPUWithoutSiblings,
                    .anyCPUWithoutSiblings, .anyCPUAgain,
                ]
        )
        #expect(Series.all.map(\.passLimit) == [nil] + Array(repeating: 1 << 41, count: 10))
        #expect(Series.all.map(\.windowRule) == [.perSocket] + Array(repeating: .startOfMemory, count: 10))
        #expect(Series.all.filter(\.allocatesPassMask).map(\.version) == Array(6...10))
        #expect(Series.all.filter(\.allocatesSetUpMask).map(\.version) == [1, 9, 10])
        let last = Series.all.filter { $0.atGuestEnd?.batching == .lastRequest && $0.worker != .thread }
        #expect(last.map(\.version) == [8, 9, 10, 11])
        #expect(Series.all.filter { $0.afterInit?.batching == .firstRequest }.map(\.version) == Array(3...10))
    }

    @Test func life() {
        #expect(Series.all.filter { $0.workerMoment == .boot }.map(\.version) == [1, 2, 3, 11])
        #expect(Series.all.filter { $0.rangeMoment == .boot }.map(\.version) == [1, 2, 3, 11])
        #expect(Series.all.filter(\.writesBaseFirst).map(\.version) == [1, 2, 3])
        #expect(
            Series.all.map(\.baseMoment)
                == [.boot, .boot, .boot] + Array(repeating: .firmwareInit, count: 7) + [.requestWhileClear]
        )
        #expect(
            Series.all.map(\.baseCPUs)
                == [.firstOnlineThreads, .allOnline, .allOnline] + Array(repeating: .onlinePrimaryThreads, count: 8)
        )
        #expect(Series.all.filter(\.knowsX86Shutdown).map(\.version) == Array(4...11))
        #expect(
            Series.all.map(\.cleanUp)
                == [.none, .none, .none, .none] + Array(repeating: .all, count: 6) + [.cancelOnly]
        )
        #expect(Series.all.filter(\.hasReinitGuard).map(\.version) == Array(5...10))
        #expect(Series.all.filter { $0.snpEnabling == .prepare }.map(\.version) == Array(4...11))
        #expect(Series.all.filter(\.enablesSNPOnLateCPUs).map(\.version) == [1, 2])
        #expect(Series.all.filter(\.needsAllOnline).map(\.version) == Array(5...11))
        #expect(Series.all.filter { !$0.refusesContiguousRMP }.map(\.version) == [11])
        #expect(
            Series.all.map(\.hotplugOff)
                == Array(repeating: nil, count: 7) + [.afterInit, .afterInit, .beforeSNP, .beforeSNP]
        )
        #expect(Series.all.filter(\.hotplugOffAfterKexec).map(\.version) == [10, 11])
    }

    /// Each fact takes effect by itself, whatever the other facts say.
    @Test func factsDecideAlone() throws {
        func machine(_ series: Series, segmented: Bool = true) throws -> Machine {
            var configuration = try MachineConfiguration(cpus: 8, memoryBytes: 8 << 30, series: series)
            if !segmented { configuration.rmp = try RMPLayout.contiguous(base: 0x1000_0000, end: 0x1880_3fff) }
            return Machine(configuration)
        }
        /// What becomes of a second request while the pass of the first one runs.
        func secondRequest(_ series: Series) throws -> RequestOutcome {
            var machine = try machine(series)
            #expect(machine.requestPass(.request) == .begun)
            return machine.requestPass(.request)
        }
        var series = Series.v1
        series.$hasProgressFlag = .read(false, "")
        #expect(try secondRequest(.v1) == .absorbed && secondRequest(series) == .lost)
        series = .v2
        series.$hasProgressFlag = .read(true, "")
        #expect(try secondRequest(.v2) == .lost && secondRequest(series) == .absorbed)
        series = .v3
        series.debugfsTable?.$creation = .read(.firmwareInit, "")
        #expect(try machine(.v3).hasDebugfsTable && !machine(series).hasDebugfsTable)
        series = .v3
        series.$rangeMoment = .read(.firmwareInit, "")
        #expect(try machine(.v3).driver.range == 0..<8 && machine(series).driver.range.isEmpty)
        series = .v5
        series.$refusesContiguousRMP = .read(false, "")
        #expect(try !machine(.v5, segmented: false).isDriverSetUp && machine(series, segmented: false).isDriverSetUp)
    }

    /// No fact lacks a source, and each source names a version or a commit.
    @Test(arguments: Series.all) func sources(_ series: Series) {
        var count = 0
        for child in Mirror(reflecting: series).children {
            let mirror = Mirror(reflecting: child.value)
            guard let source = mirror.children.first(where: { $0.label == "source" })?.value as? Source else {
                continue
            }
            count += 1
            #expect(source.place.contains("v") || source.place.contains("commit"), "\(child.label ?? "")")
        }
        #expect(count == 37)
    }
}

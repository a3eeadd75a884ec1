// SPDX-License-Identifier: Apache-2.0
// What must hold of every run: the bound, sums that add up, results that depend on scenario and seed alone.

import Glibc
import RMPModel
import Testing

@testable import PolicyLab

@Suite struct RunTests {
    private static let small = """
        cpus: 8
        memory: 64G
        duration: 12h
        seeds: 2
        workload: {arrivals_per_hour: 3}
        """

    @Test(arguments: allocators)
    func optimumIsNeverBeaten(allocator: String) throws {
        for (backing, cache) in [("4K", 0), ("2M", 0), ("1G", 0), ("4K", 90), ("2M", 40)] {
            let scenario = try Scenario(
                text: Self.small + """

                    placement: \(allocator)
                    snp_backing: \(backing)
                    page_cache_percent: \(cache)
                    snp_percent: [10, 60]
                    trigger: [v2, freed-region]
                    conversions: {per_hour: 3, size: 6M}
                    """
            )
            let table = ResultTable(csv: scenario.results(jobs: 2).csv)
            #expect(table.rows.count == 8)
            func values(_ column: String) -> [Double] { table.column(column).compactMap { Double($0) } }
            for index in table.rows.indices {
                let (fast, reach) = (values("fast_share")[index], values("reach_share")[index])
                let best = values("optimum_share")[index]
                #expect(fast <= reach + 1e-6 && reach <= best + 1e-6, "\(backing), \(cache) %, row \(index)")
                #expect(values("fewest_lost_regions_mean")[index] <= values("lost_regions_mean")[index] + 1e-3)
                // Shares are rounded to six decimals.
                let parts = ["fast_share", "lost_neighbour", "lost_unscanned", "lost_window", "lost_fixed"]
                let sum = parts.reduce(0) { $0 + values($1)[index] }
                #expect(abs(sum - 1) <= 3e-6)
            }
        }
    }

    @Test func jobsAndShardsDoNotMatter() throws {
        let scenario = try Scenario(
            text: Self.small + "\nhosts: 3\nplacement: [buddy, scattered]\ntrigger: [v10, merged]\n"
        )
        let one = scenario.results(jobs: 1)
        let four = scenario.results(jobs: 4)
        #expect(one.csv == four.csv && one.timelines == four.timelines)
        let parts = (0..<3).map { shard in scenario.runs.filter { ($0.number - 1) % 3 == shard } }
        let lines = parts.flatMap { runs in
            zip(runs, scenario.results(jobs: 2, runs: runs).csv.split(separator: "\n").dropFirst())
        }
        let merged = lines.sorted { $0.0.number < $1.0.number }.map { $0.1 + "\n" }.joined()
        #expect(scenario.header + merged == one.csv)
    }

    @Test func seedsMatter() throws {
        let table = ResultTable(csv: try Scenario(text: Self.small).results(jobs: 1).csv)
        #expect(table.column("seed") == ["1", "2"])
        #expect(table.column("guests")[0] != table.column("guests")[1])
    }

    @Test func scenarioSaysItself() throws {
        let text =
            Self.small + """

                trigger: [v10, mine]
                triggers: [{name: mine, passes: merged, delay: 500ms, batching: first, conversion: true, scope: dirty}]
                """
        let scenario = try Scenario(text: text)
        let again = try Scenario(text: scenario.text(program: "test"))
        #expect(again.text(program: "test") == scenario.text(program: "test"))
        #expect(again.triggers == scenario.triggers && again.runs.count == 4)
    }

    /// One host of 16 GB: regions 1 ... 15 free. At 0 s an ordinary guest of 1 GB and an SNP guest of 1 GB, which ends
    /// at 100 s; v10 scans 10 s later.
    @Test func tinyScenarioByHand() throws {
        let scenario = try Scenario(
            text: """
                cpus: 8
                memory: 16G
                duration: 200s
                host_percent: 0
                placement: aligned
                snp_backing: 2M
                workload: {trace: t.csv}
                """,
            trace: "arrival_s,memory_mib,lifetime_s,snp\n0,1024,,0\n0,1024,100,1\n"
        )
        let table = ResultTable(csv: scenario.results(jobs: 1).csv)
        func value(_ column: String) -> Double { table.column(column).first.flatMap { Double($0) } ?? -1 }
        // The ordinary guest has region 1 or another one of its own all the time.
        #expect(value("fast_share") == 1 && value("lost_neighbour") == 0)
        #expect(value("passes_per_day") == 432, "one in 200 s")
        #expect(value("snp_bytes_mean") == Double(1 << 29), "1 GB for half of the time")
        #expect(value("ordinary_bytes_mean") == Double(1 << 30))
        // 10 s, then the pass comes to the region: the leader's 16 regions and a few broadcasts.
        #expect(value("recovery_p50_s") > 10 && value("recovery_p50_s") < 10.01)
        #expect(value("guests") == 2 && value("refused") == 0)
        // One region more than the fixed ones is lost until the pass has set it.
        let outline = scenario.outline(of: scenario.runs[0])
        let fixed = outline.coresInWindow.indices.count { outline.memory.isFixed(region: $0) }
        let lost = Double(fixed) + (100 + value("recovery_p50_s")) / 200
        #expect(abs(value("lost_regions_mean") - lost) < 0.001)
    }

    /// All keys are optional.
    @Test(arguments: ["", "# nothing\n", "name: mine\n"])
    func emptyScenarios(text: String) throws {
        let scenario = try Scenario(text: text)
        #expect(scenario.runs.count == 1)
    }

    /// What a folder of results says can be run there: files are below it, under the names of the columns.
    @Test func namedFiles() throws {
        let text = "duration: 1d\nmachine: [small, a/one, a/two.yaml]\nworkload: {trace: sub/t.csv}\n"
        let scenario = try Scenario(text: text, trace: "arrival_s,memory_mib,lifetime_s\n0,1,1\n")
        #expect(scenario.files.map(\.name) == ["one", "two.yaml", "t.csv"])
        #expect(scenario.files.map(\.path) == ["a/one", "a/two.yaml", "sub/t.csv"])
        let said = scenario.text(program: "test")
        #expect(said.contains("machine: [\"small\", \"files/one\", \"files/two.yaml\"]"), "\(said)")
        #expect(said.contains("trace: \"files/t.csv\""), "\(said)")
        #expect(said.contains("# one: checksum") && said.contains("# two.yaml: checksum"), "\(said)")
    }

    /// A key that a trace makes pointless is refused; one that still decides something is not.
    @Test func aTraceThatDecidesWhoIsSNP() throws {
        let text = "duration: 1d\nsnp_percent: 50\nworkload: {trace: t.csv}\n"
        _ = try Scenario(text: text, trace: "arrival_s,memory_mib,lifetime_s,snp\n0,1,1,1\n0,1,1,\n")
        #expect(throws: (any Error).self) {
            try Scenario(text: text, trace: "arrival_s,memory_mib,lifetime_s,snp\n0,1,1,1\n0,1,1,0\n")
        }
    }

    @Test(arguments: [
        ("placement: worst", "test.yaml:1: placement: "),
        ("cpus: 8\ntrigger: v11", "test.yaml:2: trigger: there is no trigger 'v11'"),
        ("duraton: 1d", "test.yaml:1: duraton: there is no such key; did you mean duration?"),
        ("duration: 10", "test.yaml:1: duration: '10' is not valid"),
        ("duration: 1d\nmeasure_from: 2d", "test.yaml:2: measure_from: "),
        ("machine: x\ncpus: 8", "test.yaml:2: cpus: the machine says this"),
        (
            "workload:\n  lifetimes:\n    - {age: 0s, alive_percent: 50}",
            "test.yaml:2: workload.lifetimes: begin at 100"
        ),
        ("cpus: 8\nplacement: [aligned, packed, aligned]", "test.yaml:2: placement[2]: this value appears twice"),
        ("snp_percent:\n  - 50\n  - 50.0", "test.yaml:3: snp_percent[1]: this value appears twice"),
        (
            "workload: {arrivals_per_hour: [1, 1]}",
            "test.yaml:1: workload.arrivals_per_hour[1]: this value appears twice"
        ),
        ("pool_percent: 50", "test.yaml:1: pool_percent: no placement is pool"),
        ("duration: 1d\ntimeline_step: 2d", "test.yaml:2: timeline_step: this is longer than what is measured"),
        (
            "workload:\n  sizes: [{percent: 60, memory: 1G}, {percent: 30, memory: 2G}]",
            "test.yaml:2: workload.sizes: the percentages add up to 90"
        ),
        ("duration: 1d\nworkload: {trace: t.csv}", "t.csv:1: the trace is empty"),
        ("machine: [a/m.yaml, b/m.yaml]", "test.yaml:1: machine[1]: a/m.yaml is called m.yaml, too"),
        ("snp_percent: 101", "test.yaml:1: snp_percent: '101' is not valid; give a number from 0 to 100, such as 12.5"),
    ])
    func badScenariosNameLineAndKey(text: String, beginning: String) {
        do {
            _ = try Scenario(text: text)
            Issue.record("taken: \(text)")
        } catch {
            #expect("\(error)".hasPrefix(beginning), "\(error)")
        }
    }
}

@Suite struct TraceTests {
    @Test(arguments: [
        ("", "t:1: the trace is empty"),
        ("arrival_s,lifetime_s\n", "t:1: give one of the columns memory_mib"),
        ("arrival_s,memory_mib,lifetime_s,size\n", "t:1: there is no column 'size'"),
        ("arrival_s,memory_mib,lifetime_s\n0,1,2\n1,1\n", "t:3: 2 fields; the header has 3"),
        ("arrival_s,memory_mib,lifetime_s\n-1,1,2\n", "t:2: arrival_s: '-1' is not valid"),
        ("arrival_s,memory_mib,lifetime_s\n0,0,2\n", "t:2: memory_mib: '0' is not valid"),
        ("arrival_s,memory_mib,lifetime_s\n0,1,\"2\n", "t:2: a quoted field does not end"),
        ("arrival_s,memory_mib,lifetime_s,snp\n0,1,2,yes\n", "t:2: snp: 'yes' is not valid; give 0 or 1"),
        ("arrival_s,memory_mib,lifetime_s\n0,1\n", "t:2: 2 fields; the header has 3: separate them by commas"),
        ("Arrival_S,memory_mib,lifetime_s\n", "t:1: there is no column 'Arrival_S'; did you mean arrival_s?"),
        (
            "arrival_s;memory_mib;lifetime_s\n",
            "t:1: there is no column 'arrival_s;memory_mib;lifetime_s'; separate columns"
        ),
        ("a\0r\0", "t:1: there is no column 'a\\u{0}r\\u{0}'; save the file as UTF-8"),
        ("arrival_s,memory_mib,lifetime_s\n", "t:2: there are no guests"),
        (
            "arrival_s,memory_mib,lifetime_s,node\n0,1,1,1\n0,1,1,7\n",
            "t:3: node: '7' is not valid; the host has memory on nodes 0, 1"
        ),
    ])
    func badTracesNameTheLine(text: String, beginning: String) {
        do {
            _ = try Trace.read(Array(text.utf8), file: "t", nodes: [0, 1])
            Issue.record("taken: \(text)")
        } catch {
            #expect(error.description.hasPrefix(beginning), "\(error.description)")
        }
    }

    @Test func takesWhatSpreadsheetsWrite() throws {
        let text =
            "\u{FEFF}tenant,lifetime_s,memory_bytes,arrival_s\r\n\"a,b\",,4097,1.5\r\n\"a,b\",2.000000001,1,0\r\n"
        let guests = try Trace.read(Array(text.utf8), file: "t")
        #expect(guests.map(\.arrival) == [0, 1_500_000_000] && guests.map(\.pages) == [1, 2])
        #expect(guests.map(\.lifetime) == [2_000_000_001, nil] && guests[0].tenant == guests[1].tenant)
    }
}

@Suite struct ConservationTests {
    /// Every page is free or held by exactly one owner, whatever the allocator.
    @Test(arguments: allocators)
    func everyPageHasOneOwner(allocator: String) throws {
        var random = PolicyLab.Random(seed: testSeed)
        let outline = Machine(try MachineConfiguration(cpus: 8, memoryBytes: 24 << 30)).outline()
        for backing in [Backing.size4K, .size2M] {
            var memory = outline.memory
            var policy = policy(allocator, seed: testSeed)
            var owners: [(runs: [PageRun], use: MemoryUse)] = []
            var taken = [UInt8](repeating: 0, count: memory.regionCount * Pages.perRegion)
            for step in 0..<150 {
                if random.chance(3) && !owners.isEmpty {
                    let owner = owners.remove(at: random.next(below: owners.count))
                    for run in owner.runs {
                        var page = run.first
                        while page < run.first + run.count {
                            let stop = min(run.first + run.count, (page >> 18 + 1) << 18)
                            taken.withUnsafeMutableBytes { _ = memset($0.baseAddress! + page, 0, stop - page) }
                            memory.release(PageRun(first: page, count: stop - page), from: owner.use)
                            policy.release(PageRun(first: page, count: stop - page), from: owner.use, to: memory)
                            page = stop
                        }
                    }
                    continue
                }
                let use: MemoryUse = random.chance(2) ? .snp : .ordinary
                let pages = 1 + random.next(below: random.chance(4) ? 600_000 : 3_000)
                guard let runs = policy.take(MemoryRequest(pages: pages, use: use, backing: backing), from: memory)
                else { continue }
                try #require(runs.reduce(0) { $0 + $1.count } >= pages, "step \(step)")
                for run in runs {
                    let isTwice = taken.withUnsafeMutableBytes { bytes in
                        let start = bytes.baseAddress! + run.first
                        defer { memset(start, 1, run.count) }
                        return memchr(start, 1, run.count) != nil
                    }
                    try #require(!isTwice, "step \(step), seed \(testSeed)")
                    memory.take(run, for: use)
                }
                owners.append((runs, use))
                let held = owners.reduce(0) { $0 + $1.runs.reduce(0) { $0 + $1.count } }
                try #require(memory.freePages + held == memory.usablePages, "step \(step), seed \(testSeed)")
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// All reports of a host agree: rmpopt-table, cpuN, metrics, blockers, status and map, of both engines, with a naive
// count, after random commands on random machines. RMPFS_TEST_SEED=NUMBER repeats a failing run.

import Foundation
import RMPModel
import Testing

@testable import RMPCommand
@testable import RMPFS

/// The files of a tree without a mount.
private struct TreeFolder: HostFolder {
    let root: Directory
    let path = "tree"

    func read(_ file: String) throws(HostFileError) -> RMPCommand.MountFolder.Reading {
        do {
            guard let node = try root.node(at: file) as? File else { return .missing }
            return .text(try node.contents())
        } catch .noSuchFile {
            return .missing
        } catch .noSuchDevice {
            return .offline
        } catch {
            throw HostFileError(file, "\(error)")
        }
    }

    func names() -> [String] {
        let folder = try? root.node(at: RMPCommand.MountFolder.ours) as? Directory
        return folder?.entries().map { String(decoding: $0.name, as: UTF8.self) } ?? []
    }

    func host(_ file: String) throws -> HostText {
        HostText(name: file, bytes: try #require(try text(file), "\(file) is missing"))
    }

    /// The file of a report or a CPU.
    func ours(_ file: String) throws -> HostText { try host(RMPCommand.MountFolder.ours + "/" + file) }
}

/// What is optimized where, queried region by region and CPU by CPU.
private struct Count {
    let first: Int
    /// For each region, the online CPUs that have it optimized.
    var cpus: [Set<Int>] = []
    var online: [Int] = []
    var all = 0
    var some = 0
    var none = 0
    let isChecked: Bool
    let tableIsMixed: Bool
    let tableRegions: Range<Int>

    init(_ machine: borrowing Machine) {
        let regions = machine.configuredRegions
        first = regions.lowerBound
        for cpu in 0..<machine.cpuCount where machine.onlineCPUs.contains(cpu) { online.append(cpu) }
        for region in regions {
            var set: Set<Int> = []
            for cpu in online where machine.isOptimized(region: region, cpu: cpu) { set.insert(cpu) }
            cpus.append(set)
            if set.count == online.count { all += 1 } else if set.isEmpty { none += 1 } else { some += 1 }
        }
        isChecked = machine.isSNPEnabled
        tableIsMixed = machine.reportsAreShared
        tableRegions = machine.tableRegions
    }

    var regions: Range<Int> { first..<first + cpus.count }
    func isOptimized(_ region: UInt64, _ cpu: Int) -> Bool {
        regions.contains(Int(region)) && cpus[Int(region) - first].contains(cpu)
    }
}

/// A host and all its reports.
private final class ReportedHost {
    let configuration: MachineConfiguration
    let engine: SimulatedEngine
    let tree: TreeFolder
    private let kernelFiles = FileManager.default.temporaryDirectory
        .appending(path: "rmpfs-reports-\(UUID().uuidString)")
    var problems: [String] = []
    /// How often the kernel engine had a table to read.
    var readings = 0

    init(_ configuration: MachineConfiguration) {
        self.configuration = configuration
        engine = SimulatedEngine(configuration, pace: .manual)
        tree = TreeFolder(root: RMPFS.HostTree(owner: .root).root(engine))
    }

    deinit { try? FileManager.default.removeItem(at: kernelFiles) }

    private func expect(_ holds: Bool, _ problem: @autoclosure () -> String) {
        if !holds { problems.append(problem()) }
    }

    /// Checks that everything agrees now.
    func check() throws {
        let count = try engine.look { machine throws(Errno) in Count(machine) }
        try check(tree, count, who: "simulated", tableIsMixed: count.tableIsMixed)
        guard engine.series.debugfsTable != nil, count.tableRegions == count.regions, !count.tableIsMixed else {
            return
        }
        readings += 1
        let kernel = TreeFolder(root: RMPFS.HostTree(owner: .root).host(try kernelEngine()))
        try check(kernel, count, who: "kernel", tableIsMixed: false)
        try compareMetrics(kernel)
    }

    // MARK: One tree

    private func check(_ tree: TreeFolder, _ count: Count, who: String, tableIsMixed: Bool) throws {
        let isKernel = who == "kernel"
        if let table = engine.series.debugfsTable, let bytes = try tree.text("debug/" + table.path), !tableIsMixed {
            for row in try DebugfsTableReader.rows(HostText(name: "table", bytes: bytes)) {
                var cpus: Set<Int> = []
                for range in row.cpus.ranges { cpus.formUnion(range) }
                let expected = count.regions.contains(Int(row.region)) ? count.cpus[Int(row.region) - count.first] : []
                expect(cpus == expected, "\(who): table, region \(row.region): \(cpus), expected \(expected)")
            }
        }
        for cpu in 0..<engine.cpuCount {
            guard count.online.contains(cpu) else {
                if case .offline = try tree.read("debug/rmpopt/cpu\(cpu)") { continue }
                problems.append("\(who): cpu\(cpu) can be read, and is offline")
                continue
            }
            let rows = try CPUFileReader.rows(tree.ours("cpu\(cpu)"))
            let numbers = rows.map { Int($0.region) }
            let regions = Array(count.regions)
            expect(numbers == regions, "\(who): cpu\(cpu) has the regions \(numbers), not \(count.regions)")
            for row in rows {
                let isRight =
                    count.isChecked || isKernel
                    ? (row.status == .optimized) == count.isOptimized(row.region, cpu) && row.status != .unchecked
                    : row.status == .unchecked
                expect(isRight, "\(who): cpu\(cpu), region \(row.region): \(row.status)")
            }
        }
        try checkMetrics(tree, count, who: who)
        if count.isChecked || isKernel { try checkBlockers(tree, count, who: who) }
        // status and map combine the table with the files of CPUs.
        if tableIsMixed { return }
        let report = try StatusReport(of: tree)
        let counts = report.snapshot.counts
        expect(counts == (count.all, count.some, count.none), "\(who): status counts \(counts)")
        expect(report.snapshot.cpus == count.online.count, "\(who): status has \(report.snapshot.cpus) CPUs")
        expect(
            report.snapshot.offline == engine.cpuCount - count.online.count,
            "\(who): status has \(report.snapshot.offline) CPUs offline"
        )
        let picture = RegionPicture(report.snapshot, columns: 120)
        let kinds = Dictionary(uniqueKeysWithValues: picture.kinds.map { ($0.kind, $0.count) })
        expect(kinds.values.reduce(0, +) == count.cpus.count, "\(who): map has \(kinds)")
        if count.isChecked {
            expect(kinds[.optimized, default: 0] == count.all, "\(who): map has \(kinds)")
            expect(kinds[.partly, default: 0] == count.some, "\(who): map has \(kinds)")
        }
    }

    private func checkMetrics(_ tree: TreeFolder, _ count: Count, who: String) throws {
        let text = try tree.ours("metrics")
        let lines = String(decoding: text.bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        for expected in [
            "rmpopt_regions \(count.cpus.count)",
            "rmpopt_regions_optimized{cpus=\"all\"} \(count.all)",
            "rmpopt_regions_optimized{cpus=\"some\"} \(count.some)",
            "rmpopt_regions_optimized{cpus=\"none\"} \(count.none)",
        ] where !lines.contains(expected) { problems.append("\(who): metrics have no \(expected)") }
        var counts: [Int: UInt64] = [:]
        for cpu in count.online { counts[cpu] = UInt64(count.cpus.count { $0.contains(cpu) }) }
        let given = try CPUCountsReader.counts(text)
        expect(given == counts, "\(who): metrics have \(given), expected \(counts)")
    }

    private func checkBlockers(_ tree: TreeFolder, _ count: Count, who: String) throws {
        let rows = try BlockersReader.rows(tree.ours("blockers"))
        let expected = count.regions.filter { count.cpus[$0 - count.first].count < count.online.count }
        expect(rows.map { Int($0.region) } == expected, "\(who): blockers \(rows.map(\.region)), expected \(expected)")
        for row in rows {
            for case .outside(let list) in row.reasons { checkList(list, row.region, count, who) }
            for case .notEnabled(let list) in row.reasons { checkList(list, row.region, count, who) }
            for case .unexplained(let list) in row.reasons { checkList(list, row.region, count, who) }
        }
    }

    /// CPUs that are listed as lacking a region are online and lack it.
    private func checkList(_ list: String, _ region: UInt64, _ count: Count, _ who: String) {
        for range in CPURanges(Array(list.utf8)[...])?.ranges ?? [] {
            for cpu in range where !count.online.contains(cpu) || count.isOptimized(region, cpu) {
                problems.append("\(who): blockers, region \(region): CPU \(cpu) in \(list)")
            }
        }
    }

    // MARK: The kernel engine

    /// An engine that reads this host's files as those of a running kernel.
    private func kernelEngine() throws -> KernelEngine {
        let series = try #require(KernelSeries.all.first { $0.first.name == engine.series.name || contains($0) })
        func write(_ path: String, _ bytes: [UInt8]) throws {
            let file = kernelFiles.appending(path: path)
            let folder = file.deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
        }
        let online = try engine.look { machine throws(Errno) in machine.onlineCPUs }
        try write("cpus/online", CPUList.format(online) + [0x0A])
        try write("cpus/possible", CPUList.format(CPUSet(all: engine.cpuCount)) + [0x0A])
        let table = try #require(engine.series.debugfsTable)
        try write("debug/" + table.path, try #require(try tree.text("debug/" + table.path)))
        for file in ["action", "description"] {
            if let bytes = try tree.text("rmpopt/" + file) { try write("config/rmpopt/" + file, bytes) }
        }
        func folder(_ name: String) -> String { kernelFiles.appending(path: name).path }
        let roots = KernelRoots(config: folder("config"), debug: folder("debug"), cpus: folder("cpus"))
        // The version is given: it is recognized by rules of debugfs' files, which these files do not have.
        return try KernelEngine(KernelFiles(roots, series), allowsRequests: false) { line in
            Issue.record("the kernel's engine says \(line)")
        }
    }

    private func contains(_ series: KernelSeries) -> Bool {
        let names = Series.all.map(\.name)
        guard let ours = names.firstIndex(of: engine.series.name), let first = names.firstIndex(of: series.first.name),
            let last = names.firstIndex(of: series.last.name)
        else { return false }
        return first...last ~= ours
    }

    /// Each metric of the kernel engine is also one of the simulated engine, word for word. Only the value for the
    /// running pass differs in v1, where it is the flag.
    private func compareMetrics(_ kernel: TreeFolder) throws {
        func lines(_ tree: TreeFolder) throws -> [String] {
            String(decoding: try tree.ours("metrics").bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        }
        let known = Set(try lines(tree))
        // It knows no reasons, and says who answers.
        let own = ["rmpopt_pass_running ", "rmpopt_regions_held_back{", "rmpopt_build_info{"]
        for line in try lines(kernel) where !own.contains(where: line.hasPrefix) {
            expect(known.contains(line), "metrics of the kernel's engine alone: \(line)")
        }
    }
}

@Suite struct ReportsTests {
    private static let gigabyte: UInt64 = 1 << 30

    /// Packages, nodes, SMT, missing and offline CPUs, holes, memory that begins late; sometimes more memory than one
    /// window holds.
    private static func configuration(
        _ series: Series,
        _ random: inout Random,
        isLarge: Bool
    ) throws -> MachineConfiguration {
        let packages = random.pick([1, 1, 2])
        let nodes = random.pick([1, 1, 2])
        let shape = TopologyShape(
            packages: packages,
            nodesPerPackage: nodes,
            coresPerPackage: nodes * random.pick([1, 2, 3]),
            threadsPerCore: random.pick([1, 2])
        )
        let cpus = shape.packages * shape.coresPerPackage * shape.threadsPerCore
        var present = CPUSet(all: cpus)
        var online = CPUSet(all: cpus)
        for cpu in 0..<cpus where cpu > 0 {
            if random.chance(4) { online.remove(cpu) }
            if random.chance(8) {
                present.remove(cpu)
                online.remove(cpu)
            }
        }
        let topology = try Topology(shape, present: present, online: online)
        let count = packages * nodes
        var spans: [MemorySpan] = []
        var at: UInt64 = 0
        for node in 0..<count {
            if node > 0 && random.chance(2) { at += random.pick([1, 2, 3]) * gigabyte }
            let size = isLarge ? 2100 / UInt64(count) + 1 : random.pick([2, 3, 4])
            spans.append(MemorySpan(start: SPA(at), bytes: size * gigabyte, node: node))
            at += size * gigabyte
        }
        var configuration = try MachineConfiguration(
            topology: topology,
            memory: MemoryMap(spans: spans, nodeCount: topology.nodeCount),
            series: series,
            windows: random.pick([.series, .series, .lowestAverageDistance])
        )
        configuration.processor.keepsRMPOPTEnable = random.chance(2)
        return configuration
    }

    private static func command(_ random: inout Random, _ host: ReportedHost) -> Command {
        let cpus = host.engine.cpuCount
        let cpu = Int.random(in: 0..<cpus, using: &random)
        let regions = UInt64(host.configuration.memory.regionCount)
        let spa = SPA((random.next() % regions) << 30)
        let guest = GuestID(1)
        switch Int.random(in: 0..<18, using: &random) {
        case 0: return .initializeFirmware
        case 1: return .shutDownFirmware(x86: random.chance(2))
        case 2, 3, 4: return .setOnline(cpu: cpu, random.chance(2))
        case 5: return .failFirmware(count: random.next() % 2)
        case 6:
            if random.chance(2) { return .kexec() }
            var online = host.configuration.topology.present
            if cpu > 0 { online.remove(cpu) }
            return .kexec(online: online)
        case 7: return .wrmsr(cpu: cpu, MSRs.Number.syscfg, MSRs.memoryEncryption | MSRs.snpEnable | MSRs.vmplEnable)
        case 8: return .wrmsr(cpu: cpu, RMPOPTBase.msr, (random.next() % regions) << 30 | 1)
        case 9, 10: return .rmpupdate(spa, .init(assigned: random.chance(2)))
        case 11: return .rmpopt(cpu: cpu, spa, function: 0)
        case 12: return .startGuest(guest)
        case 13: return .stopGuest(guest)
        case 14: return .leak(spa.pfn..<spa.pfn + 3)
        default: return .reoptimize
        }
    }

    private static func walk(_ series: Series, number: Int, steps: Int, isLarge: Bool) throws -> ReportedHost {
        let salt = series.name.utf8.reduce(UInt64(number)) { $0 &* 31 &+ UInt64($1) }
        var random = Random(seed: testSeed &+ salt)
        let configuration = try Self.configuration(series, &random, isLarge: isLarge)
        let host = ReportedHost(configuration)
        _ = try host.engine.perform(.createGuest(name: "vm, 1"))
        _ = try host.engine.perform(.setGuestMemory(GuestID(1), bytes: 64 << 20))
        for step in 0...steps {
            var command: Command?
            if step > 0 {
                command = Self.command(&random, host)
                // Refusals are normal.
                if let command { _ = try? host.engine.perform(command) }
                try host.engine.skip(nanoseconds: random.pick([0, 1_000, 100_000, 300_000, 11_000_000_000]))
            }
            try host.check()
            let problems = host.problems.prefix(3).joined(separator: "\n")
            try #require(
                host.problems.isEmpty,
                "seed \(testSeed), machine \(number), step \(step), after \(command as Any):\n\(problems)"
            )
        }
        return host
    }

    @Test(arguments: Series.all.map(\.name)) func agree(_ name: String) throws {
        let series = try #require(Series.named(name))
        for number in 0..<5 { _ = try Self.walk(series, number: number, steps: 25, isLarge: false) }
        // Machines chosen at random may have no table at any moment; this one has, where the series has one.
        let memory = try MemoryMap(bytes: 4 << 30)
        let host = ReportedHost(try MachineConfiguration(topology: Topology(cpus: 4), memory: memory, series: series))
        try host.engine.skip(nanoseconds: 30_000_000_000)
        try host.check()
        #expect(host.problems.isEmpty, "\(host.problems)")
        #expect((host.readings > 0) == (series.debugfsTable != nil), "the kernel's engine read \(host.readings) tables")
    }

    /// More memory than a window holds.
    @Test(arguments: Series.all.map(\.name)) func agreeBeyondAWindow(_ name: String) throws {
        _ = try Self.walk(#require(Series.named(name)), number: 100, steps: 2, isLarge: true)
    }

    /// A core that is offline as a whole counts for nothing.
    @Test func offlineCoresDoNotCount() throws {
        var online = CPUSet(limit: 4)
        online.insert(0)
        online.insert(2)
        let topology = try Topology(TopologyShape(coresPerPackage: 2), online: online)
        let host = ReportedHost(try MachineConfiguration(topology: topology, memory: MemoryMap(bytes: 8 << 30)))
        try host.check()
        #expect(host.problems == [])
        let table = String(decoding: try host.tree.host("debug/rmpopt/rmpopt-table").bytes, as: UTF8.self)
        let everywhere = table.split(separator: "\n").count { $0.hasSuffix("CPU(s): 0,2") }
        #expect(everywhere > 3)
        let metrics = String(decoding: try host.tree.ours("metrics").bytes, as: UTF8.self)
        #expect(metrics.contains("rmpopt_regions_optimized{cpus=\"all\"} \(everywhere)\n"))
    }
}

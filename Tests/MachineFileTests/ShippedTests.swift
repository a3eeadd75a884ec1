// SPDX-License-Identifier: Apache-2.0
// The machine files that come with rmpfs: each boots, and shows what its comments promise.

import Foundation
import RMPModel
import Testing

@testable import MachineFile
@testable import RMPFS

@Suite struct ShippedTests {
    /// The text of rmpopt-table on a booted machine.
    private func table(_ file: MachineFile) throws -> [String] {
        let engine = SimulatedEngine(file.configuration, pace: .manual)
        let root = HostTree(owner: Owner(user: 0, group: 0), debugMode: 0o700).root(engine)
        let table = try #require(try root.node(at: "debug/rmpopt/rmpopt-table") as? File)
        let opened = try table.open(OpenRequest(reads: true))
        defer { opened.close() }
        var bytes: [UInt8] = []
        while true {
            let part = try opened.read(at: UInt64(bytes.count), size: 1 << 20).withBytes { Array($0) }
            if part.isEmpty { break }
            bytes += part
        }
        return String(decoding: bytes, as: UTF8.self).components(separatedBy: "\n")
    }

    private static var names: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: shippedFolder.path)) ?? []
        return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    }

    @Test func allOfThemAreThere() {
        let names = [
            "laptop", "server-2t", "server-2t-remapped", "server-6t-nps2", "server-cxl", "server-offline", "venice-1p",
        ]
        #expect(Self.names == names)
    }

    @Test(arguments: Self.names) func bootsAndOptimizes(_ name: String) throws {
        let bytes = try shipped(name)
        #expect(bytes.starts(with: Array("# ".utf8)), "it begins with what it is for")
        let file = try MachineFile(bytes: bytes, file: name + ".yaml")
        #expect(file.name == name)
        #expect(!file.about.isEmpty)
        let machine = Machine(file.configuration)
        #expect(machine.nextDue == nil)
        let optimized = (0..<machine.regionCount).count { machine.optimizedCoreCount(ofRegion: $0) > 0 }
        #expect(optimized > machine.regionCount / 4)
        #expect(machine.optimizedCoreCount(ofRegion: 0) == 0, "the RMP begins there")
    }

    @Test func theSampleOfTheDebugfsPatch() throws {
        let lines = try table(try MachineFile(bytes: try shipped("venice-1p"), file: "venice-1p.yaml"))
        #expect(
            lines.prefix(6) == [
                "Memory @  0GB: CPU(s): none",
                "Memory @  1GB: CPU(s): none",
                "Memory @  2GB: CPU(s): 0-1023",
                "Memory @  3GB: CPU(s): 0-1023",
                "Memory @  4GB: CPU(s): none",
                "Memory @  5GB: CPU(s): 0-1023",
            ]
        )
        #expect(
            lines.suffix(3) == ["Memory @1037GB: CPU(s): 0-1023", "Memory @1038GB: CPU(s): none", ""],
            "the end line, and a newline behind it"
        )
        let none = lines.indices.filter { lines[$0].hasSuffix("none") }
        #expect(none == [0, 1, 4, 1034, 1035, 1036, 1038], "the rest of the RMP lies where the sample says ...")
    }

    @Test func theSampleMachineHasOneTerabyte() throws {
        let machine = try MachineFile(bytes: try shipped("venice-1p"), file: "venice-1p.yaml").configuration
        #expect(machine.memory.bytes == 1 << 40)
        #expect(machine.memory.end.rawValue == 0x103_8000_0000)
        #expect(machine.topology.cpuCount == 1024)
        #expect(machine.rmp.segments.map(\.covered).reduce(0) { $0 + UInt64($1.count) } == 1038 << 30)
        let table = machine.rmp.segments.map(\.table).reduce(0) { $0 + UInt64($1.count) }
        #expect(table == 4152 << 20)
    }

    @Test func twoTerabytesWithAndWithoutRemapping() throws {
        let exact = try MachineFile(bytes: try shipped("server-2t"), file: "x").configuration.memory
        let remapped = try MachineFile(bytes: try shipped("server-2t-remapped"), file: "x").configuration.memory
        #expect(exact.end.rawValue == 2 << 40)
        #expect(exact.bytes == 2034 << 30)
        #expect(remapped.end.rawValue == 2062 << 30)
        #expect(remapped.bytes == 2 << 40)
    }

    @Test func nodesOfSixTerabytes() throws {
        let machine = try MachineFile(bytes: try shipped("server-6t-nps2"), file: "x").configuration
        let ranges = (0..<4).map { machine.memory.range(ofNode: $0) }
        let bytes: UInt64 = 3 << 39
        for (node, range) in ranges.enumerated() {
            let start = UInt64(node) * bytes
            #expect(range == start..<(start + bytes))
        }
        #expect(machine.topology.packageOfNode == [0, 0, 1, 1])
    }

    /// The bases of the windows in GB, one for each node with CPUs.
    private func bases(_ name: String, series: Series = .v1) throws -> [UInt64] {
        var configuration = try MachineFile(bytes: try shipped(name), file: "x").configuration
        configuration.series = series
        let machine = Machine(configuration)
        var bases: [UInt64] = []
        for (cpu, place) in configuration.topology.places.enumerated() where place.node == bases.count {
            bases.append(try #require(machine.rmpoptBase(ofCPU: cpu)).base.rawValue >> 30)
        }
        return bases
    }

    @Test(
        arguments: [
            ("venice-1p", [0]), ("server-2t", [0, 1024]), ("server-2t-remapped", [0, 1038]),
            ("server-6t-nps2", [0, 1536, 3072, 4608]), ("server-cxl", [0, 1024]),
        ] as [(String, [UInt64])]
    )
    func windowsOfTheFirstVersion(_ name: String, _ expected: [UInt64]) throws {
        #expect(try bases(name) == expected)
        let later = try #require(Series.named("v6"))
        #expect(try bases(name, series: later) == expected.map { _ in 0 })
    }

    @Test func noWindowReachesTheNodeWithoutCPUs() throws {
        let machine = Machine(try MachineFile(bytes: try shipped("server-cxl"), file: "x").configuration)
        #expect((4096..<5120).allSatisfy { machine.optimizedCoreCount(ofRegion: $0) == 0 })
        #expect((0..<128).allSatisfy { !machine.isInWindow(region: 4096, cpu: $0) })
    }

    @Test func nodeWithoutCPUs() throws {
        let machine = try MachineFile(bytes: try shipped("server-cxl"), file: "x").configuration
        #expect(machine.topology.packageOfNode == [0, 1, nil])
        #expect(machine.memory.range(ofNode: 2) == (4 << 40)..<(5 << 40))
        #expect(!machine.topology.places.contains { $0.node == 2 })
    }

    @Test func offlineAtBoot() throws {
        let topology = try MachineFile(bytes: try shipped("server-offline"), file: "x").configuration.topology
        #expect(topology.cpuCount == 64)
        #expect(topology.present.count == 60)
        #expect(topology.online.count == 52)
        #expect(topology.firstOnlineThreads.count == 28)
        #expect(topology.onlinePrimaryThreads.count == 24)
    }
}

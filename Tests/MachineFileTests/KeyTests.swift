// SPDX-License-Identifier: Apache-2.0
// Every key does what it says, and every parameter of the model has one.

import Foundation
import RMPModel
import Testing

@testable import MachineFile

@Suite struct KeyTests {
    @Test func whatIsLeftOutIsAsUsual() throws {
        let file = try machine(smallest)
        #expect(file.name == "test")
        #expect(file.about.isEmpty)
        let topology = try Topology(TopologyShape(coresPerPackage: 8))
        let usual = try MachineConfiguration(topology: topology, memory: MemoryMap(bytes: 64 * gigabyte))
        #expect(file.configuration == usual)
    }

    @Test func everyKey() throws {
        let text = """
            name: all
            description: 'every key'
            cpus:
              packages: 2
              nodes_per_socket: 2
              cores_per_package: 4
              threads_per_core: 1
              memory_only_nodes: 1
              present: 0-6
              online: 0-2,4
            memory:
              - {start: 0, size: 3G}
              - {start: 0x100000000, size: 1G, node: 4}
              - {size: 2048M, node: 1}
            distances:
              - [10, 11, 12, 13, 14]
              - [11, 10, 12, 13, 14]
              - [11, 12, 10, 13, 14]
              - [11, 12, 13, 10, 14]
              - [11, 12, 13, 14, 10]
            rmp:
              base: 16M
              segment_size: 4G
              segments:
                - {index: 1, base: 64M, covers: 3G}
                - {index: 0, base: 128M, covers: 4G}
            firmware:
              pages: [{start: 1G, size: 8K}]
              hv_fixed: [{start: 2G, size: 0x1000}]
            processor:
              snp: true
              rmpread: false
              segmented_rmp: true
              rmpopt: true
              segment_reduction: true
              segment_shift_min: 30
              segment_shift_max: 40
              cached_segments: 64
              asids: 99
            series: v5
            windows: lowest-average-distance
            boot:
              stage: kernel
              firmware_delay: 5ms
              window_allocation: fails
              driver_failure: pass-cpumask
              log: raw
            costs: {broadcast: 50us, instruction: 31, full_scan: 1ms, teardown_contention: 20}

            """
        let file = try machine(text)
        #expect(file.name == "all" && file.about == "every key")
        let made = file.configuration
        #expect(made.topology.cpuCount == 8 && made.topology.nodeCount == 5)
        #expect(made.topology.present.count == 7 && made.topology.online.count == 4)
        let starts: [UInt64] = [0, 4 * gigabyte, 5 * gigabyte]
        #expect(made.memory.spans.map(\.start.rawValue) == starts)
        #expect(made.memory.spans.map(\.node) == [0, 4, 1])
        #expect(made.distances.rows[0] == [10, 11, 12, 13, 14])
        #expect(made.rmp.head.lowerBound == 0x100_0000)
        let tables: [UInt64] = [0x800_0000, 0x400_0000]
        #expect(made.rmp.segments.map(\.table.lowerBound) == tables)
        let ends: [UInt64] = [4 * gigabyte, 7 * gigabyte]
        #expect(made.rmp.segments.map(\.covered.upperBound) == ends)
        #expect(made.firmware.assigned == [gigabyte..<(gigabyte + 8192)])
        #expect(made.firmware.hypervisorFixed == [(2 * gigabyte)..<(2 * gigabyte + 4096)])
        #expect(!made.processor.rmpread && made.processor.segmentReduction)
        #expect(made.processor.segmentShifts == 30...40)
        #expect(made.processor.cachedSegments == 64 && made.processor.asidCount == 99)
        #expect(made.series == Series.named("v5"))
        #expect(made.windows == .lowestAverageDistance)
        #expect(made.boot.stage == .kernel && made.boot.windowAllocationFails)
        #expect(made.boot.firmwareDelay == .milliseconds(5))
        #expect(made.boot.driverFailures == [.passCPUMask] && made.boot.logView == .raw)
        #expect(made.costs.broadcast == 50_000 && made.costs.instruction == 31)
        #expect(made.costs.fullScan == 1_000_000 && made.costs.teardownContention == 20)
    }

    @Test func contiguous() throws {
        let rmp = try machine(smallest + "rmp: {contiguous: {base: 1G, end: 0x50003fff}}\n").configuration.rmp
        #expect(!rmp.isSegmented)
        #expect(rmp.segments.map(\.table) == [0x4000_4000..<0x5000_4000])
        #expect(rmp.segments.map(\.covered) == [0..<(64 * gigabyte)])
    }

    @Test func withoutTheSegmentedRMP() throws {
        let rmp = try machine(smallest + "processor: {segmented_rmp: false}\n").configuration.rmp
        #expect(!rmp.isSegmented)
        #expect(rmp.segments.map(\.covered) == [0..<(64 * gigabyte)])
    }

    @Test func theUsualRMPGoesWithTheProcessor() throws {
        let rmp = try machine(smallest + "processor: {segment_shift_max: 34}\n").configuration.rmp
        #expect(rmp.shift == 34)
        #expect(rmp.segments.map(\.covered.upperBound).max() == 64 * gigabyte)
        #expect(rmp.segments.count == 4)
    }

    @Test(arguments: [
        "processor: {segmented_rmp: false}\nrmp: {segments: [{index: 0, base: 1G, covers: 64G}]}",
        "processor: {segment_shift_max: 30}\nrmp: {segments: [{index: 0, base: 1G, covers: 64G}]}",
        "rmp: {segments: [{index: 0, base: 1G, covers: 63G}]}",
    ])
    func whatTheKernelDoesNotTakeIsTold(_ text: String) throws {
        #expect(try machine(smallest + text + "\n").summary.contains("\nsnp: off: "))
        #expect(!(try machine(smallest).summary.contains("snp:")))
    }

    @Test func fixedPagesBesideTheUsualOnes() throws {
        let firmware = try machine(smallest + "firmware: {hv_fixed: [{start: 1G, size: 1M}]}\n").configuration.firmware
        #expect(firmware.assigned == (try machine(smallest).configuration.firmware.assigned))
        #expect(firmware.hypervisorFixed == [gigabyte..<(gigabyte + 0x10_0000)])
    }

    @Test func noFirmwarePages() throws {
        #expect(try machine(smallest + "firmware: {pages: []}\n").configuration.firmware.assigned.isEmpty)
    }

    /// Names of the model in the form of keys: `share4K` is `share_4k`.
    private func key(_ name: String) -> String {
        var key = ""
        for letter in name {
            if letter.isUppercase && !(key.last?.isNumber ?? false) || letter.isNumber { key += "_" }
            key += letter.lowercased()
        }
        return key
    }

    @Test func everyParameterOfTheCostModelHasItsKey() {
        let names = Mirror(reflecting: CostModel.standard).children.compactMap(\.label).map(key)
        #expect(names.sorted() == CostKeys.all.map(\.name).sorted())
    }

    @Test func everyParameterIsSetByItsKey() throws {
        for (number, parameter) in CostKeys.all.enumerated() {
            let costs = try machine(smallest + "costs: {\(parameter.name): \(900 + number)}\n").configuration.costs
            #expect(costs[keyPath: parameter.path] == UInt64(900 + number))
            #expect(costs != .standard)
        }
    }

    @Test(arguments: Series.all.map(\.name)) func everyVersion(_ name: String) throws {
        #expect(try machine(smallest + "series: \(name)\n").configuration.series.name == name)
    }

    @Test func everyPolicyHasItsWord() {
        #expect(Words.windows.map(\.value) == WindowPolicy.allCases)
        #expect(Words.stages.map(\.value) == BootPlan.Stage.allCases)
        #expect(Words.logViews.map(\.value) == LogView.allCases)
        #expect(Words.driverFailures.map(\.value) == [[]] + DriverFailure.allCases.map { [$0] })
    }

    @Test(
        arguments: [("0", 0), ("16G", 16 << 30), ("0x10", 16), ("0x10K", 16384), ("2T", 2 << 40)] as [(String, UInt64)]
    )
    func sizes(_ text: String, _ bytes: UInt64) {
        #expect(Quantities.parse(text, units: Quantities.sizeUnits) == bytes)
    }

    @Test(arguments: [
        "", "-1", "+1", "1 G", "1g", "1GB", "010", "0x", "1.5G", "16777216T", "x", "١", "0xfffffffffffffffff",
    ])
    func noSizes(_ text: String) {
        #expect(Quantities.parse(text, units: Quantities.sizeUnits) == nil)
    }

    /// All paths of keys below the given keys.
    private func paths(_ keys: [Key], _ prefix: String = "") -> [String] {
        keys.flatMap { key in
            let path = prefix + key.name
            switch key.kind {
            case .mapping(let inner): return [path] + paths(inner, path + ".")
            case .list(.mapping(let inner), _): return [path] + paths(inner, path + "[].")
            default: return [path]
            }
        }
    }

    @Test(arguments: ["man/rmpfs-machine.5", "machine-files.md"])
    func theDocumentsTellEveryKey(_ document: String) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/" + document)
        let text = try String(contentsOf: file.standardizedFileURL, encoding: .utf8)
        for path in paths(Schema.root) {
            let told = document.hasSuffix(".md") ? "| `\(path)` |" : ".It Ic \(path)"
            #expect(text.contains(told), "\(document) does not tell of \(path)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Which 2 TB each core gets: v1's long path with its worked examples and its limits, the single window of the later
// versions, and the proposal by NUMA distance.

import Testing

@testable import RMPModel

private let terabyte: UInt64 = 1 << 40
private let gigabyte: UInt64 = 1 << 30

@Suite struct WindowTests {
    /// Nodes one above the other, whose sizes in GB are given.
    private func host(
        _ series: Series,
        shape: TopologyShape,
        gigabytes: [UInt64],
        online: [Int]? = nil,
        change: (inout MachineConfiguration) -> Void = { _ in }
    ) throws -> Machine {
        var spans: [MemorySpan] = []
        var start: UInt64 = 0
        for (node, size) in gigabytes.enumerated() {
            spans.append(MemorySpan(start: SPA(start), bytes: size * gigabyte, node: node))
            start += size * gigabyte
        }
        var topology = try Topology(shape)
        if let online {
            var set = CPUSet(limit: topology.cpuCount)
            for cpu in online { set.insert(cpu) }
            topology = try Topology(shape, online: set)
        }
        var configuration = try MachineConfiguration(
            topology: topology,
            memory: MemoryMap(spans: spans, nodeCount: topology.nodeCount),
            series: series
        )
        change(&configuration)
        return Machine(configuration)
    }

    /// Windows as "first-end" in GB.
    private func windows(_ machine: Machine) -> [String] {
        machine.windows.map { "\($0.regions.lowerBound)-\($0.regions.upperBound)" }
    }

    private let twoSocketsNPS2 = TopologyShape(packages: 2, nodesPerPackage: 2, coresPerPackage: 4, threadsPerCore: 1)
    private let twoSockets = TopologyShape(packages: 2, coresPerPackage: 2, threadsPerCore: 1)

    /// 6 TB in NPS2: a window for each node, its own 1.5 TB and 0.5 TB more, the last past the end of memory.
    @Test func sixTerabytes() throws {
        let machine = try host(.v1, shape: twoSocketsNPS2, gigabytes: [1536, 1536, 1536, 1536])
        #expect(windows(machine) == ["0-2048", "1536-3584", "3072-5120", "4608-6656"])
        #expect(machine.windows.map { CPUList.format($0.cpus) } == ["0-1", "2-3", "4-5", "6-7"].map { Array($0.utf8) })
        #expect(machine.isOptimized(region: 5000, cpu: 6) && !machine.isInWindow(region: 5000, cpu: 0))
        let debug = machine.logLines.filter { $0.level == .debug }.map(\.text)
        #expect(
            debug == [
                "SEV-SNP: NUM_TB pages in system 7",
                "SEV-SNP: socket start_pfn 0x0, end_pfn 0x30000000, socket cpu mask 0-3",
                "SEV-SNP: RMPOPT_BASE MSR on nodeid 0 cpu mask 0-1 set to 0x0",
                "SEV-SNP: RMPOPT_BASE MSR on nodeid 1 cpu mask 2-3 set to 0x18000000000",
                "SEV-SNP: socket start_pfn 0x30000000, end_pfn 0x60000000, socket cpu mask 4-7",
                "SEV-SNP: RMPOPT_BASE MSR on nodeid 2 cpu mask 4-5 set to 0x30000000000",
                "SEV-SNP: RMPOPT_BASE MSR on nodeid 3 cpu mask 6-7 set to 0x48000000000",
            ]
        )
    }

    /// 3 TB in NPS2: the 1.5 TB of a socket fit into one window.
    @Test func threeTerabytes() throws {
        let machine = try host(.v1, shape: twoSocketsNPS2, gigabytes: [768, 768, 768, 768])
        #expect(windows(machine) == ["0-2048", "1536-3584"])
        // The per-socket path logs nothing about RMPOPT_BASE.
        #expect(!machine.logLines.contains { $0.text.contains("RMPOPT_BASE MSR") })
        #expect(machine.windows.map { CPUList.format($0.cpus) } == ["0-3", "4-7"].map { Array($0.utf8) })
    }

    /// Exactly 2 TB counts as 3, for a host and for a socket; anything less takes the short path with base 0.
    @Test func exactlyTwoTerabytes() throws {
        #expect(windows(try host(.v1, shape: twoSockets, gigabytes: [1024, 1024])) == ["0-2048", "1024-3072"])
        #expect(windows(try host(.v1, shape: twoSockets, gigabytes: [1024, 1023])) == ["0-2048"])
        let socketOfTwo = try host(.v1, shape: twoSocketsNPS2, gigabytes: [1024, 1024, 1024, 1024])
        #expect(windows(socketOfTwo) == ["0-2048", "1024-3072", "2048-4096", "3072-5120"])
    }

    /// A node of 3 TB is covered for its first 2 TB, memory of a node without CPUs not at all.
    @Test func limits() throws {
        let large = try host(.v1, shape: TopologyShape(coresPerPackage: 2, threadsPerCore: 1), gigabytes: [3072])
        #expect(windows(large) == ["0-2048"] && !large.isInWindow(region: 2048, cpu: 0))
        // A pass still walks all memory.
        #expect(large.passes.last?.regionsScanned == 3072 && large.passes.last?.regionsOutside == 1024)
        let shape = TopologyShape(packages: 2, coresPerPackage: 2, threadsPerCore: 1, memoryOnlyNodes: 1)
        let far = try host(.v1, shape: shape, gigabytes: [1024, 1024, 2048])
        // Each socket's window happens to reach 1 TB above its memory: the last TB is in none.
        #expect(windows(far) == ["0-2048", "1024-3072"])
        #expect(far.optimizedCoreCount(ofRegion: 3500) == 0)
    }

    /// A package without any CPU online gets no window; the cores come online without RMPOPT_EN.
    @Test func packageWithoutCPUs() throws {
        let machine = try host(.v1, shape: twoSockets, gigabytes: [1536, 1536], online: [0, 1])
        #expect(windows(machine) == ["0-2048"])
        #expect(machine.rmpoptBase(ofCPU: 2)?.isEnabled == false && machine.undefinedOpcodes == 0)
        // The loop visits all packages, so this one has its line too.
        let lines = machine.logLines.map(\.text).filter { $0.contains("socket start_pfn") }
        #expect(
            lines == [
                "SEV-SNP: socket start_pfn 0x0, end_pfn 0x18000000, socket cpu mask 0-1",
                "SEV-SNP: socket start_pfn 0x0, end_pfn 0x0, socket cpu mask ",
            ]
        )
    }

    /// A node that begins within a GB: the base is rounded down, and the window's end with it.
    @Test func basesAreRoundedDown() throws {
        var configuration = try MachineConfiguration(
            topology: Topology(twoSockets),
            memory: MemoryMap(
                spans: [
                    MemorySpan(start: SPA(0), bytes: 1536 * gigabyte + (512 << 20), node: 0),
                    MemorySpan(start: SPA(1536 * gigabyte + (512 << 20)), bytes: 1536 * gigabyte, node: 1),
                ],
                nodeCount: 2
            )
        )
        configuration.boot.stage = .kernel
        #expect(windows(Machine(configuration)) == ["0-2048", "1536-3584"])
    }

    /// No memory for the lists: nothing is programmed, the thread starts, and each of its RMPOPTs raises #UD.
    @Test func listsCannotBeAllocated() throws {
        let machine = try host(.v1, shape: twoSockets, gigabytes: [1536, 1536]) { $0.boot.windowAllocationFails = true }
        #expect(windows(machine) == [] && machine.isDriverSetUp && machine.undefinedOpcodes == 8)
        // The short path needs no lists.
        let small = try host(.v1, shape: twoSockets, gigabytes: [8, 8]) { $0.boot.windowAllocationFails = true }
        #expect(windows(small) == ["0-2048"] && small.undefinedOpcodes == 0)
    }

    @Test(arguments: Series.all.dropFirst()) func oneWindowFromTheStart(_ series: Series) throws {
        let machine = try host(series, shape: twoSocketsNPS2, gigabytes: [1536, 1536, 1536, 1536])
        #expect(windows(machine) == ["0-2048"] && machine.windows.first?.cpus == machine.onlineCPUs)
        #expect(machine.passes.last?.regionsScanned == 2048)
    }

    // MARK: By distance

    /// Each node's window slides to the memory that is nearest: its own, and its neighbour's before the other socket's.
    @Test func lowestAverageDistance() throws {
        let machine = try host(.v10, shape: twoSocketsNPS2, gigabytes: [1536, 1536, 1536, 1536]) { configuration in
            configuration.windows = .lowestAverageDistance
        }
        let regions = machine.windows.map(\.regions)
        #expect(regions.count >= 2)
        for cpu in 0..<8 {
            let window = machine.window(ofCPU: cpu)
            let node = cpu / 2
            // Within memory, and over all of the core's own node.
            #expect(window.lowerBound >= 0 && window.upperBound <= 6144)
            #expect(window.contains(node * 1536) && window.contains(node * 1536 + 1535))
            // Nothing of the other socket.
            #expect(node < 2 ? window.upperBound <= 3072 : window.lowerBound >= 3072)
        }
        #expect(machine.passes.last?.regionsScanned == 6144)
    }
}

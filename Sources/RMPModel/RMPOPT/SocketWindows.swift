// SPDX-License-Identifier: Apache-2.0
// Series v1's choice of windows on hosts with more than 2 TB, with all its limitations: by socket, or by node where a
// socket has too much memory.

/// The algorithm of series v1 patch 2/6, `get_cpumask_of_primary_threads()` and `snp_setup_rmpopt()` of that version.
struct SocketWindows {
    private(set) var windows: [PlannedWindow] = []
    private(set) var messages: [KernelMessage] = []

    /// `RMPOPT_TABLE_MAX_LIMIT_IN_TB`.
    private static let limit = 2
    /// `NUM_TB()`: whole TB between two page frames.
    private static func terabytes(_ pages: Range<UInt64>) -> Int { Int((pages.upperBound - pages.lowerBound) >> 28) }

    /// - Parameter allocationFails: whether allocating the lists of the long path fails: it then returns silently, and
    ///   nothing is programmed.
    init(_ topology: Topology, _ memory: MemoryMap, allocationFails: Bool) {
        let all = (memory.start.rawValue >> 12)..<(memory.end.rawValue >> 12)
        let total = SocketWindows.terabytes(all) + 1
        messages.append(.terabytes(total))
        let threads = topology.firstOnlineThreads
        if total <= SocketWindows.limit {
            windows = [PlannedWindow(base: 0, cores: topology.cores(of: threads), node: 0)]
            return
        }
        if allocationFails { return }
        for package in 0..<topology.packageCount {
            var primaries = CPUSet(limit: topology.cpuCount)
            threads.forEachRun { run in
                for cpu in run where topology.places[cpu].package == package { primaries.insert(cpu) }
            }
            plan(primaries, topology, memory)
        }
    }

    private mutating func plan(_ cpus: CPUSet, _ topology: Topology, _ memory: MemoryMap) {
        func pages(_ node: Int) -> Range<UInt64> {
            let range = memory.range(ofNode: node) ?? 0..<0
            return (range.lowerBound >> 12)..<(range.upperBound >> 12)
        }
        // A node that differs from the last recorded one is appended, and its end becomes the socket's.
        var nodes: [Int] = []
        var start: UInt64 = 0
        var end: UInt64 = 0
        cpus.forEachRun { run in
            for cpu in run where topology.places[cpu].node != nodes.last {
                let node = topology.places[cpu].node
                if nodes.isEmpty { start = pages(node).lowerBound }
                end = pages(node).upperBound
                nodes.append(node)
            }
        }
        let socket = start..<max(start, end)
        messages.append(.socket(pages: socket, cpus: cpus))
        // A package without online CPUs still gets its line, of zeros.
        if nodes.isEmpty { return }
        if SocketWindows.terabytes(socket) + 1 <= SocketWindows.limit {
            add(start << 12, cpus, nodes[0], topology)
            return
        }
        for node in nodes {
            var ofNode = CPUSet(limit: topology.cpuCount)
            cpus.forEachRun { run in for cpu in run where topology.places[cpu].node == node { ofNode.insert(cpu) } }
            let base = pages(node).lowerBound << 12
            // The plain address, before it is masked and the enable bit is set.
            messages.append(.window(node: node, cpus: ofNode, base: base))
            add(base, ofNode, node, topology)
        }
    }

    /// The base is masked to 1 GB: rounded down.
    private mutating func add(_ base: UInt64, _ cpus: CPUSet, _ node: Int, _ topology: Topology) {
        let base = base.alignedDown(to: Granularity.region)
        windows.append(PlannedWindow(base: base, cores: topology.cores(of: cpus), node: node))
    }
}

// SPDX-License-Identifier: Apache-2.0
// What must stay cheap, measured in one process on a machine of 2 TB and 1,024 CPUs; Benchmarks/README.md has the
// bounds.

import Benchmark
import RMPFS
import RMPModel

private let gigabyte: UInt64 = 1 << 30
private let large = (cpus: 1024, memory: 2048 * gigabyte)

private func configuration() -> MachineConfiguration {
    do {
        return try MachineConfiguration(cpus: large.cpus, memoryBytes: large.memory)
    } catch {
        fatalError("the benchmark's own machine is refused: \(error)")
    }
}

@discardableResult
private func must<Result>(_ body: () throws -> Result) -> Result {
    do {
        return try body()
    } catch {
        fatalError("the benchmark's own command is refused: \(error)")
    }
}

private func file(at path: String, in root: Directory) -> File {
    guard let file = must({ try root.node(at: path) }) as? File else { fatalError("\(path) is no file") }
    return file
}

let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.cpuUser, .wallClock, .throughput, .peakMemoryResident],
        warmupIterations: 3,
        maxDuration: .seconds(3)
    )

    Benchmark("boot") { benchmark in
        for _ in benchmark.scaledIterations { blackHole(Machine(configuration())) }
    }

    // A pass over all regions, none of which was optimized before: every bit must be set.
    Benchmark("pass, 2 TB x 1,024 CPUs") { benchmark in
        var machine = Machine(configuration())
        for _ in benchmark.scaledIterations {
            for region in 0..<UInt64(machine.regionCount) {
                let page = SPA(region * gigabyte + 512 << 20)
                _ = try? machine.perform(.rmpupdate(page, RMPUpdateInput(assigned: true)), at: machine.now)
                _ = try? machine.perform(.rmpupdate(page, RMPUpdateInput()), at: machine.now)
            }
            benchmark.startMeasurement()
            must { try machine.perform(.reoptimize, at: machine.now) }
            machine.runToIdle()
            benchmark.stopMeasurement()
        }
    }

    // One RMPUPDATE per iteration of the inner loop: assign a page and give it back, page by page.
    Benchmark(
        "RMPUPDATE, one page",
        configuration: .init(metrics: [.cpuUser, .wallClock, .throughput], scalingFactor: .mega)
    ) { benchmark in
        var machine = Machine(configuration())
        let first = 8 * gigabyte
        let pages: UInt64 = 1 << 20
        var page: UInt64 = 0
        var input = RMPUpdateInput(assigned: true)
        benchmark.startMeasurement()
        for _ in benchmark.scaledIterations {
            blackHole(try? machine.perform(.rmpupdate(SPA(first + page << 12), input), at: 0))
            page += 1
            if page == pages {
                page = 0
                input.assigned.toggle()
            }
        }
        benchmark.stopMeasurement()
    }

    for (name, size) in [("4 KB", PageSize.size4K), ("2 MB", .size2M)] {
        Benchmark("launch of a 100 GB guest, \(name) pages") { benchmark in
            for _ in benchmark.scaledIterations {
                var machine = Machine(configuration())
                let id = makeGuest(&machine, size)
                benchmark.startMeasurement()
                must { try machine.perform(.startGuest(id), at: machine.now) }
                benchmark.stopMeasurement()
            }
        }

        Benchmark("end of a 100 GB guest, \(name) pages") { benchmark in
            for _ in benchmark.scaledIterations {
                var machine = Machine(configuration())
                let id = makeGuest(&machine, size)
                must { try machine.perform(.startGuest(id), at: machine.now) }
                benchmark.startMeasurement()
                must { try machine.perform(.stopGuest(id), at: machine.now) }
                machine.runToIdle()
                benchmark.stopMeasurement()
            }
        }
    }

    for name in ["rmpopt-table", "cpu0"] {
        Benchmark(
            "read \(name), nothing changed",
            configuration: .init(metrics: [.cpuUser, .wallClock, .throughput], scalingFactor: .kilo)
        ) { benchmark in
            let root = makeHost()
            let target = file(at: "debug/rmpopt/\(name)", in: root)
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations { must { try target.read { blackHole($0.count) } } }
            benchmark.stopMeasurement()
        }

        // A starting guest takes regions away, so no cached text can be used.
        Benchmark("read \(name), after a change") { benchmark in
            let root = makeHost()
            must { try (root.node(at: "rmpsim/guests") as? Directory)?.makeItem(named: Array("vm".utf8)) }
            let guest = file(at: "rmpsim/guests/vm/state", in: root)
            must { try file(at: "rmpsim/guests/vm/memory", in: root).write("8G") }
            let target = file(at: "debug/rmpopt/\(name)", in: root)
            for _ in benchmark.scaledIterations {
                must { try guest.write("running") }
                benchmark.startMeasurement()
                must { try target.read { blackHole($0.count) } }
                benchmark.stopMeasurement()
                must {
                    try guest.write("stopped")
                    try file(at: "rmpsim/clock", in: root).write("+1s")
                    try file(at: "rmpopt/reenable", in: root).write("1")
                    try file(at: "rmpsim/clock", in: root).write("+1s")
                }
            }
        }
    }
}

private func makeHost() -> Directory {
    HostTree(owner: .root).root(SimulatedEngine(configuration(), pace: .manual))
}

private func makeGuest(_ machine: inout Machine, _ size: PageSize) -> GuestID {
    guard case .guest(let id) = must({ try machine.perform(.createGuest(name: "g"), at: machine.now) }) else {
        fatalError("no guest was made")
    }
    must { try machine.perform(.setGuestMemory(id, bytes: 100 * gigabyte), at: machine.now) }
    must { try machine.perform(.setGuestBacking(id, size == .size4K ? .size4K : .size2M), at: machine.now) }
    return id
}

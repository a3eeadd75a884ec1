// SPDX-License-Identifier: Apache-2.0
// Lines of rmpopt-table printed during a pass, against a mask built CPU by CPU.

import Testing

@testable import RMPModel

@Suite struct SharedMaskTests {
    /// The CPUs of a line, as the patches print it.
    private static func printed(_ region: Int, of machine: Machine, isMixed: Bool) -> [Int] {
        let tables = machine.platform.rmpopt
        var cpus: Set<Int> = []
        for cpu in 0..<machine.cpuCount
        where machine.onlineCPUs.contains(cpu) && tables.isSet(region: region, core: machine.coreOfCPU[cpu]) {
            cpus.insert(cpu)
        }
        guard isMixed, let pass = machine.driver.running else { return cpus.sorted() }
        for cpu in 0..<machine.cpuCount where machine.onlineCPUs.contains(cpu) && pass.cpusAtWork.contains(cpu) {
            let core = machine.coreOfCPU[cpu]
            guard pass.coresAtWork.contains(core) else { continue }
            let isFree = machine.platform.rmp.assignedPages(ofRegion: pass.region) == 0
            if isFree && tables.isInWindow(region: pass.region, core: core) {
                cpus.insert(cpu)
            } else {
                cpus.remove(cpu)
            }
        }
        return cpus.sorted()
    }

    private static func command(_ random: inout Random, _ machine: Machine) -> Command {
        let cpu = Int(random.next() % UInt64(machine.cpuCount))
        let regions = UInt64(machine.regionCount)
        let spa = SPA((random.next() % regions) << 30)
        switch random.next() % 8 {
        case 0: return .setOnline(cpu: cpu, random.chance(2))
        case 1, 2: return .rmpupdate(spa, .init(assigned: random.chance(2)))
        case 3: return .rmpopt(cpu: cpu, spa, function: 0)
        case 4: return .wrmsr(cpu: cpu, RMPOPTBase.msr, (random.next() % regions) << 30 | 1)
        default: return .reoptimize
        }
    }

    @Test(arguments: Series.all.filter { $0.debugfsTable?.sharesMask == true }.map(\.name))
    func mixedLines(_ name: String) throws {
        let series = try #require(Series.named(name))
        var random = Random(seed: testSeed)
        var mixed = 0
        for shape in [
            TopologyShape(coresPerPackage: 3), TopologyShape(packages: 2, coresPerPackage: 2, threadsPerCore: 1),
            TopologyShape(packages: 2, coresPerPackage: 35),
        ] {
            let cpus = shape.packages * shape.coresPerPackage * shape.threadsPerCore
            var online = CPUSet(all: cpus)
            for cpu in 1..<cpus where random.chance(4) { online.remove(cpu) }
            var machine = Machine(
                try MachineConfiguration(
                    topology: Topology(shape, online: online),
                    memory: MemoryMap(bytes: 24 << 30),
                    series: series
                )
            )
            for step in 0..<300 {
                let command = Self.command(&random, machine)
                // Usually too short for a pass to end.
                let time = [0, 10_000, 100_000, 400_000, 20_000_000_000][Int(random.next() % 20 / 4)]
                _ = try? machine.perform(command, at: machine.now + UInt64(time))
                let mask = machine.sharedMask
                #expect((mask != nil) == machine.reportsAreShared)
                var set = CPUSet(limit: machine.cpuCount)
                for region in 0...machine.regionCount {
                    let isMixed = region < machine.regionCount && mask?.isMixedInto(region) == true
                    machine.collectReportedCPUs(ofRegion: region, mask, into: &set)
                    if region == machine.regionCount { continue }
                    let given = (0..<machine.cpuCount).filter(set.contains)
                    let expected = Self.printed(region, of: machine, isMixed: isMixed)
                    try #require(
                        given == expected,
                        "seed \(testSeed), \(name), \(cpus) CPUs, step \(step), region \(region), mixed: \(isMixed)"
                    )
                    mixed += isMixed ? 1 : 0
                }
            }
        }
        #expect(mixed > 100, "seed \(testSeed)")
    }
}

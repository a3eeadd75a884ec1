// SPDX-License-Identifier: Apache-2.0
// The naive model alone, against sequences worked out by hand from the posted patches: a wrong fact must show even if
// the machine shares it.

import Testing

@testable import RMPModel

@Suite struct NaiveTests {
    private static let all = ["v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "merged"]

    /// Four cores with two threads each, CPU n and n + 4 on core n, and three gigabytes.
    private func host(
        _ name: String,
        online: [Int] = Array(0..<8),
        stage: BootPlan.Stage = .firmware,
        _ change: (inout MachineConfiguration) -> Void = { _ in }
    ) throws -> NaiveMachine {
        let series = try #require(Series.all.first { $0.name == name })
        let topology = try Topology(TopologyShape(coresPerPackage: 4), online: CPUSet(online, limit: 8))
        let memory = try MemoryMap(bytes: 3 << 30)
        var configuration = try MachineConfiguration(topology: topology, memory: memory, series: series)
        configuration.boot.stage = stage
        change(&configuration)
        return NaiveMachine(configuration)
    }

    private func refusal(_ machine: inout NaiveMachine, _ command: Command) -> CommandError? {
        do {
            _ = try machine.perform(command, at: machine.now, given: nil)
            return nil
        } catch { return error }
    }

    /// The cores on which a region that nothing blocks is optimized.
    private func cores(_ machine: NaiveMachine) -> [Int] { machine.rmpoptTables.optimized[2].sorted() }

    @Test func everyVersionHasItsFacts() {
        #expect(NaiveSeries.all.map(\.name) == Self.all)
        #expect(Series.all.map(\.name) == Self.all)
    }

    // MARK: Row 1: hotplug

    /// From v8 on, only a shutdown with x86_snp_shutdown allows hotplug again.
    @Test(arguments: all) func hotplugAfterShutdowns(_ name: String) throws {
        let forbids = ["v8", "v9", "v10", "merged"].contains(name)
        var legacy = try host(name)
        #expect(refusal(&legacy, .shutDownFirmware(x86: false)) == nil)
        #expect(refusal(&legacy, .setOnline(cpu: 1, false)) == (forbids ? .busy(.hotplugForbidden) : nil))
        var x86 = try host(name)
        let isThere = !["v1", "v2", "v3"].contains(name)
        #expect(refusal(&x86, .shutDownFirmware(x86: true)) == (isThere ? nil : .unsupported(.x86Shutdown)))
        #expect(refusal(&x86, .setOnline(cpu: 1, false)) == nil)
        let early = try host(name, stage: .kernel)
        #expect(!early.hotplugIsForbidden)
    }

    // MARK: Row 2: an offline primary

    /// CPU 1 is offline, CPU 5 of the same core is not. v1 and v2 reach the core through CPU 5, the others do not.
    @Test(arguments: all) func offlinePrimary(_ name: String) throws {
        var machine = try host(name)
        let others = CPUSet([0, 2, 3, 4, 5, 6, 7], limit: 8)
        // SNP_EN stays set across kexec, so SNP_INIT_EX is not refused.
        #expect(refusal(&machine, .kexec(online: others)) == nil)
        machine.runToIdle()
        #expect(refusal(&machine, .initializeFirmware) == nil)
        machine.runToIdle()
        #expect(cores(machine) == (["v1", "v2"].contains(name) ? [0, 1, 2, 3] : [0, 2, 3]))
    }

    /// The same from boot on: v3 runs its first pass, and later versions do not get that far.
    @Test(arguments: ["v3", "v4", "v5"]) func offlinePrimaryFromBootOn(_ name: String) throws {
        let machine = try host(name, online: [0, 2, 3, 4, 5, 6, 7], stage: .kernel)
        #expect(cores(machine) == (name == "v3" ? [0, 2, 3] : []))
    }

    // MARK: Row 3: a core that comes late

    private func lateCore(_ name: String, worker: Int) throws -> NaiveMachine {
        var machine = try host(name, online: [0, 2, 3, 4, 6, 7], stage: .kernel) { $0.boot.workerCPU = worker }
        for cpu in [1, 5] { #expect(refusal(&machine, .setOnline(cpu: cpu, true)) == nil) }
        #expect(refusal(&machine, .reoptimize) == nil)
        machine.runToIdle()
        return machine
    }

    /// v1 interrupts the core's first thread, v2 both. v3's mask predates the core, so only a worker that lands there
    /// faults.
    @Test func lateCores() throws {
        #expect(try lateCore("v1", worker: 0).opcodeFaults == 1)
        #expect(try lateCore("v2", worker: 0).opcodeFaults == 2)
        #expect(try lateCore("v3", worker: 0).opcodeFaults == 0)
        var machine = try lateCore("v3", worker: 5)
        #expect(machine.opcodeFaults == 1 && machine.mask == [0, 2, 3, 5])
        // The CPU is in the mask from now on; as the leader it is taken out and put back.
        #expect(refusal(&machine, .reoptimize) == nil)
        machine.runToIdle()
        #expect(machine.opcodeFaults == 2 && machine.mask == [0, 2, 3, 5])
    }

    /// A leader on a secondary thread: in v6 to v10, its core's primary does not follow.
    @Test func leaderOnASecondary() throws {
        for (name, executions) in [("v4", 15), ("v5", 15), ("v6", 12), ("v8", 12), ("v10", 12), ("merged", 15)] {
            let machine = try host(name) { $0.boot.workerCPU = 6 }
            // Three regions for the leader and for each of three or four others.
            #expect(machine.passes.last?.executions == UInt64(executions), "\(name)")
            #expect(machine.passes.last?.interrupts == (name == "merged" ? 4 : UInt64(executions) - 3), "\(name)")
        }
    }

    // MARK: Row 4: when SNP_EN is set

    @Test(arguments: all) func whenSNPIsEnabled(_ name: String) throws {
        let atBoot = ["v1", "v2", "v3"].contains(name)
        #expect(try host(name, stage: .kernel).snpEnabled == atBoot)
        // CPU 1 is offline. In v1 to v4 firmware finds it without SNP_EN; from v5 on `snp_prepare()` checks itself.
        var machine = try host(name, online: [0, 2, 3, 4, 5, 6, 7], stage: .kernel)
        let looks = !atBoot && name != "v4"
        #expect(refusal(&machine, .initializeFirmware) == (looks ? .unsupported(.offlineCPUs) : .firmwareFailed))
        #expect(machine.snpEnabled == !looks && !machine.hotplugIsForbidden)
        // Once it is online: v1 and v2 have a callback; v3 and v4 leave the CPU without SNP_EN for good.
        #expect(refusal(&machine, .setOnline(cpu: 1, true)) == nil)
        let isLost = ["v3", "v4"].contains(name)
        #expect(refusal(&machine, .initializeFirmware) == (isLost ? .firmwareFailed : nil))
    }
}

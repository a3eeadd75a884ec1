// SPDX-License-Identifier: Apache-2.0
// Compares all that can be asked of a machine with the naive model: whole states, and what one step touched.

@testable import RMPModel

extension NaiveMachine {
    /// All differences of a machine from this model, each as a sentence.
    func differences(from machine: Machine) -> [String] {
        var found = differencesOfPages(from: machine)
        for region in 0..<rmp.regionCount { found += differences(ofRegion: region, from: machine) }
        found +=
            differencesOfTime(from: machine) + differencesOfPasses(from: machine) + differencesOfHost(from: machine)
        let listed = guests.filter { !$0.value.isRemoved }.keys.sorted()
        if machine.guestIDs.map(\.rawValue) != listed { found.append("guests \(machine.guestIDs), expected \(listed)") }
        for id in guests.keys.sorted() { found += differences(ofGuest: GuestID(id), from: machine) }
        return found
    }

    /// What is due when, and which passes run or wait.
    func differencesOfTime(from machine: Machine) -> [String] {
        // Reads stored properties, since this runs at each step and a query copies the machine in a debug build.
        let given = [
            machine.now, machine.nextDue, machine.driver.flag ? 1 : 0, machine.driver.running != nil ? 1 : 0,
            machine.driver.pending?.due,
        ]
        let expected = [now, nextDue, flag ? 1 : 0, pass != nil ? 1 : 0, pending?.due]
        if given == expected { return [] }
        return ["now, next due, flag, running, pending: \(given), expected \(expected)"]
    }

    // MARK: Regions

    func differences(ofRegion region: Int, from machine: Machine) -> [String] {
        var found: [String] = []
        let assigned = machine.assignedPages(ofRegion: region)
        if assigned != rmp.assignedInRegion[region] {
            found.append("region \(region): \(assigned) assigned pages, expected \(rmp.assignedInRegion[region])")
        }
        let set = machine.optimizedCoreCount(ofRegion: region)
        if set != rmpoptTables.optimized[region].count {
            found.append(
                "region \(region): optimized on \(set) cores, expected \(rmpoptTables.optimized[region].sorted())"
            )
        }
        // The count has been compared, so it is enough that each expected bit is set.
        for cpu in online where rmpoptTables.optimized[region].contains(setup.configuration.topology.places[cpu].core) {
            if !machine.isOptimized(region: region, cpu: cpu) {
                found.append("region \(region): bit of CPU \(cpu) is missing")
            }
        }
        return found
    }

    // MARK: Passes and host

    private func differencesOfPasses(from machine: Machine) -> [String] {
        var found: [String] = []
        let given = machine.passes + (machine.runningPass.map { [$0] } ?? [])
        let expected = passes + (pass.map { [$0] } ?? [])
        if given.count != expected.count { found.append("\(given.count) passes, expected \(expected.count)") }
        for (given, expected) in zip(given, expected)
        where NaivePass.summary(of: given, hasOutsider: expected.hasOutsider) != expected.summary {
            found.append("pass \(given), expected \(expected)")
        }
        let waiting = machine.pendingPass.map {
            NaivePending(due: $0.due, trigger: $0.trigger, absorbed: $0.absorbed, isQueued: $0.isQueued)
        }
        if waiting != pending {
            found.append("\(String(describing: waiting)), expected \(String(describing: pending))")
        }
        for outcome in RequestOutcome.allCases where machine.requests(outcome) != requests[outcome] ?? 0 {
            found.append("\(machine.requests(outcome)) requests \(outcome), expected \(requests[outcome] ?? 0)")
        }
        return found
    }

    private func differencesOfHost(from machine: Machine) -> [String] {
        var found: [String] = []
        func check<Value: Equatable>(_ name: String, _ given: Value, _ expected: Value) {
            if given != expected { found.append("\(name): \(given), expected \(expected)") }
        }
        for cpu in online.sorted() {
            check("SYSCFG of CPU \(cpu)", try? machine.rdmsr(MSRs.Number.syscfg, cpu: cpu), syscfg(ofCPU: cpu))
        }
        check("firmware", machine.firmwareState == .initialized, firmwareIsInitialized)
        check("failures left", machine.firmwareFailuresLeft, failuresLeft)
        check("decommission failures left", machine.decommissionFailuresLeft, decommissionFailuresLeft)
        check("hotplug", machine.isHotplugForbidden, hotplugIsForbidden)
        check("set up", machine.isDriverSetUp, isSetUp)
        check("passes begun", machine.passCount, passCount)
        check("#UD", machine.undefinedOpcodes, opcodeFaults)
        check("online", (0..<machine.cpuCount).filter { machine.onlineCPUs.contains($0) }, online.sorted())
        check("free memory", machine.freeMemoryByNode, freeMemory)
        check("sum of free memory", machine.freeMemory, freeMemory.reduce(0) { $0 + $1.bytes })
        let uses = (own.count, cache.count, guests.values.filter { $0.type == .ordinary }.flatMap(\.chunks).count)
        check("host's memory", machine.hostMemory, UInt64(uses.0) << 21)
        check("page cache", machine.pageCache, UInt64(uses.1) << 21)
        check("ordinary guests' memory", machine.ordinaryGuestMemory, UInt64(uses.2) << 21)
        check("leaked", machine.leaked.flatMap { Array($0.raw) }, leaked.sorted())
        for (cpu, core) in machine.coreOfCPU.enumerated() {
            check("RMPOPT_BASE of CPU \(cpu)", machine.rmpoptBase(ofCPU: cpu)?.rawValue, rmpoptTables.bases[core])
            for region in 0..<rmp.regionCount {
                let bit = machine.isOptimized(region: region, cpu: cpu)
                let isInside = machine.isInWindow(region: region, cpu: cpu)
                check("CPU \(cpu), region \(region)", bit, rmpoptTables.optimized[region].contains(core))
                check("CPU \(cpu), window of region \(region)", isInside, rmpoptTables.isInWindow(region, core))
            }
        }
        return found
    }

    // MARK: Guests

    func differences(ofGuest id: GuestID, from machine: Machine) -> [String] {
        guard let guest = guests[id.rawValue], !guest.isRemoved else {
            return machine.guest(id) == nil ? [] : ["guest \(id.rawValue) is still there"]
        }
        let asid = guest.state == .stopped || guest.type == .ordinary ? nil : guest.asid
        let expected = GuestInfo(
            id: id,
            name: guest.name,
            type: guest.type,
            memoryBytes: guest.memory,
            backing: guest.backing,
            placement: guest.placement,
            node: guest.node,
            vcpus: guest.vcpus,
            state: guest.state,
            asid: asid,
            // How far a failed launch got is not compared.
            launchWork: guest.launchFailed ? machine.guest(id)?.launchWork ?? guest.work : guest.work
        )
        var found: [String] = []
        if machine.guest(id) != expected {
            found.append("guest \(String(describing: machine.guest(id))), expected \(expected)")
        }
        let chunks = Array(guest.chunks[guest.done...])
        if machine.given(id).chunks != chunks { found.append("guest \(id.rawValue): chunks, expected \(chunks)") }
        let controls = machine.guests[id]?.controlPages.map(\.rawValue) ?? []
        if controls != guest.controls {
            found.append("guest \(id.rawValue): control pages \(controls), expected \(guest.controls)")
        }
        // Nothing of an ordinary guest is assigned; its list is where it lies.
        let listed = guest.type == .ordinary ? chunks : chunks.filter { rmp.assignedPages(ofChunk: $0) > 0 }
        let touched = listed + guest.controls.map { $0 / 512 }
        let regions = Set(touched.map { Int($0 / 512) }).sorted()
        if machine.regions(ofGuest: id) != regions {
            found.append("guest \(id.rawValue): regions \(machine.regions(ofGuest: id)), expected \(regions)")
        }
        return found
    }
}

extension NaivePass {
    /// The counts that both models keep, to be compared in one go.
    var summary: [UInt64?] {
        let counts = [scanned, won, kept, blocked, outside, faulting.count].map { UInt64($0) }
        let work =
            [executions, executionsInVain, interrupts] + (hasOutsider ? [] : [interruptsOffNanoseconds, stolen])
        return [number, start, end, lost, broadcasts] + counts + work + [
            broadcastNanoseconds, scanNanoseconds, followerNanoseconds,
        ]
    }

    static func summary(of record: PassRecord, hasOutsider: Bool) -> [UInt64?] {
        let counts = [
            record.regionsScanned, record.regionsWon, record.regionsKept, record.regionsBlocked, record.regionsOutside,
            record.faultingCPUs,
        ]
        let times = hasOutsider ? [] : [record.interruptsOffNanoseconds, record.stolenNanoseconds]
        let work = [record.executions, record.executionsInVain, record.interrupts] + times
        let words = [record.number, record.start, record.end, record.regionsLost, record.broadcasts]
        return words + counts.map { UInt64($0) } + work
            + [record.broadcastNanoseconds, record.scanNanoseconds, record.followerNanoseconds]
    }
}

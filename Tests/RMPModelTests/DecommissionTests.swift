// SPDX-License-Identifier: Apache-2.0
// A guest that firmware fails to decommission: its context page and ASID are lost, and v5 and later request no pass.

import Testing

@testable import RMPModel

@Suite struct DecommissionTests {
    /// A host whose only guest has ended after a failed decommission, that guest, and its context page.
    private func afterFailure(_ series: Series) throws -> (machine: Machine, guest: GuestID, context: PFN) {
        var machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 8 << 30, series: series))
        let guest = try machine.makeGuest("vm", bytes: 64 << 20)
        try machine.perform(.startGuest(guest), at: machine.now)
        let context = try #require(machine.guests[guest]?.contextPage)
        try machine.perform(.failDecommission(count: 1), at: machine.now)
        try machine.perform(.stopGuest(guest), at: machine.now)
        #expect(machine.decommissionFailuresLeft == 0)
        machine.runToIdle()
        return (machine, guest, context)
    }

    /// In v5 and later, `sev_vm_destroy()` returns before it requests a pass. v3 and v4 have requested it by then, v2
    /// requests it when inodes are freed, and v1 never does.
    @Test(arguments: Series.all) func passes(_ series: Series) throws {
        var (machine, guest, _) = try afterFailure(series)
        #expect(machine.passes.contains { $0.trigger == .guestEnd } == (2...4).contains(series.version))
        // The next time the guest ends, decommission succeeds.
        try machine.perform(.startGuest(guest), at: machine.now)
        try machine.perform(.stopGuest(guest), at: machine.now)
        machine.runToIdle()
        #expect(machine.passes.contains { $0.trigger == .guestEnd } == (series.version >= 2))
    }

    @Test func whatIsLost() throws {
        var (machine, guest, context) = try afterFailure(.v5)
        #expect(machine.rmpEntry(context) == RMPEntry(assigned: true, immutable: true, vmsa: true))
        #expect(machine.leaked.map(\.raw) == [context.rawValue..<(context.rawValue + 1)])
        #expect(machine.guest(guest)?.state == .stopped && InvariantChecker.violations(in: machine) == [])
        try machine.perform(.startGuest(guest), at: machine.now)
        #expect(machine.guest(guest)?.asid == 2 && machine.guests[guest]?.contextPage != context)
        try machine.perform(.stopGuest(guest), at: machine.now)
        machine.runToIdle()
        // ASID 2 is free again, ASID 1 is not.
        try machine.perform(.startGuest(guest), at: machine.now)
        #expect(machine.guest(guest)?.asid == 2 && InvariantChecker.violations(in: machine) == [])
    }

    /// A kernel warns once; one booted by kexec warns again.
    @Test func theWarning() throws {
        var (machine, guest, _) = try afterFailure(.v10)
        func warnings() -> [LogLine] {
            machine.logLines.filter { $0.text == "Failed to release guest context, ret -5" && $0.level == .warning }
        }
        #expect(warnings().count == 1)
        func again() throws {
            if machine.firmwareState == .uninitialized { try machine.perform(.initializeFirmware, at: machine.now) }
            try machine.perform(.failDecommission(count: 1), at: machine.now)
            try machine.perform(.startGuest(guest), at: machine.now)
            try machine.perform(.stopGuest(guest), at: machine.now)
            machine.runToIdle()
        }
        try again()
        #expect(warnings().count == 1)
        try machine.perform(.kexec(), at: machine.now)
        #expect(warnings().isEmpty)
        try again()
        #expect(warnings().count == 1)
    }
}

// SPDX-License-Identifier: Apache-2.0
// What SNP_INIT_EX makes HV-fixed: holes, the kernel's list, and the ranges that firmware knows itself.

import Testing

@testable import RMPModel

@Suite struct FixedPagesTests {
    private static let gigabyte: UInt64 = 1 << 30

    /// Memory up to 3 GB and from 4 GB on, ending in the middle of a gigabyte.
    private func machine(_ stage: BootPlan.Stage = .firmware, _ fixed: [Range<UInt64>]? = nil) throws -> Machine {
        let memory = try MemoryMap(
            spans: [
                MemorySpan(start: SPA(0), bytes: 3 * Self.gigabyte),
                MemorySpan(start: SPA(4 * Self.gigabyte), bytes: 2 * Self.gigabyte + Self.gigabyte / 2),
            ],
            nodeCount: 1
        )
        var configuration = try MachineConfiguration(topology: Topology(cpus: 2), memory: memory, series: .v10)
        if let fixed { configuration.firmware.hypervisorFixed = fixed }
        configuration.boot.stage = stage
        return Machine(configuration)
    }

    @Test func holesAreFixed() throws {
        var machine = try machine()
        let fixed = [
            0, 0xa_0000, 0xf_f000, 3 * Self.gigabyte, 4 * Self.gigabyte - 4096, 6 * Self.gigabyte + Self.gigabyte / 2,
            7 * Self.gigabyte - 4096,
        ]
        for address in fixed {
            #expect(machine.pageState(SPA(address).pfn) == .hypervisorFixed, "\(address)")
            #expect(machine.code(.rmpupdate(SPA(address), .init(assigned: true))) == .failPermission, "\(address)")
        }
        for address in [0x1000, 0x9_f000, 0x10_0000, 3 * Self.gigabyte - 4096, 6 * Self.gigabyte] {
            #expect(machine.pageState(SPA(address).pfn) == .hypervisor, "\(address)")
        }
        // These pages do not hold RMPOPT back: they are not assigned.
        #expect(machine.optimizedRegions.contains(3) && machine.optimizedRegions.contains(6))
        // Firmware fixes them, not the kernel that enables SNP, and a legacy shutdown leaves them fixed.
        #expect(InvariantChecker.violations(in: machine) == [])
        try machine.perform(.shutDownFirmware(x86: false), at: machine.now)
        #expect(machine.pageState(SPA(3 * Self.gigabyte).pfn) == .hypervisorFixed)
        try machine.perform(.initializeFirmware, at: machine.now)
        try machine.perform(.shutDownFirmware(x86: true), at: machine.now)
        #expect(machine.pageState(SPA(3 * Self.gigabyte).pfn) == .hypervisor)
        #expect(try self.machine(.kernel).pageState(SPA(3 * Self.gigabyte).pfn) == .hypervisor)
    }

    /// ASEG and the old HyperTransport range are fixed whatever the list says, and no guest gets any of them.
    @Test func knownRangesAreFixed() throws {
        let bare = try machine(.firmware, [])
        #expect(bare.pageState(PFN(0)) == .hypervisor)
        for page in [0x9f, 0xc0] as [UInt64] { #expect(bare.pageState(PFN(page)) == .hypervisor) }
        for page in [0xa0, 0xbf] as [UInt64] { #expect(bare.pageState(PFN(page)) == .hypervisorFixed) }

        var large = try RMPModelTests.machine(gigabytes: 1_038)
        let area: Range<UInt64> = 0xfd_0000_0000..<0xfe_0000_0000
        for address in [area.lowerBound, area.upperBound - 4096] {
            #expect(large.pageState(SPA(address).pfn) == .hypervisorFixed)
        }
        for address in [area.lowerBound - 4096, area.upperBound] {
            #expect(large.pageState(SPA(address).pfn) == .hypervisor)
        }
        #expect(large.optimizedRegions.contains(1_012) && large.optimizedRegions.contains(1_015))
        let taken = area.lowerBound..<(area.lowerBound + 2 << 20)
        let id = try large.makeGuest("vm", bytes: 2 << 20, placement: .ranges([taken]))
        #expect(large.refusal(.startGuest(id)) == .placement(.notFree(taken)))
        // Memory that ends inside the range.
        let inside = try RMPModelTests.machine(gigabytes: 1_013)
        #expect(inside.pageState(SPA(area.lowerBound).pfn) == .hypervisorFixed)
    }

    /// Firmware refuses an RMP there, so no machine can be configured with one.
    @Test func nothingElseMayLieThere() throws {
        let memory = try MemoryMap(bytes: 1_038 * Self.gigabyte)
        let layout = try RMPLayout.contiguous(base: 0xfd_0000_0000, end: 0xfd_0000_0000 + 0x1_0380_3fff)
        #expect(throws: ConfigurationError.self) {
            _ = try MachineConfiguration(topology: Topology(cpus: 2), memory: memory, rmp: layout)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The test in Swift that docs/testing-your-tools.md shows, from the imports on; Tests/Scripts/python.sh compares them.

import RMPModel
import Testing

@Test func aPassGivesRegionsBack() throws {
    var machine = Machine(try MachineConfiguration(cpus: 8, memoryBytes: 64 << 30))
    let made = try machine.perform(.createGuest(name: "vm0"), at: machine.now)
    guard case .guest(let guest) = made else { return }
    try machine.perform(.setGuestMemory(guest, bytes: 2 << 30), at: machine.now)
    try machine.perform(.startGuest(guest), at: machine.now)
    #expect(!machine.isOptimized(region: 1, cpu: 0))
    try machine.perform(.stopGuest(guest), at: machine.now)
    machine.runToIdle()
    #expect(machine.guest(guest)?.state == .stopped && !machine.isOptimized(region: 1, cpu: 0))
    try machine.perform(.reoptimize, at: machine.now)
    machine.runToIdle()
    #expect(machine.isOptimized(region: 1, cpu: 0))
}

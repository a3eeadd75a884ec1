// SPDX-License-Identifier: Apache-2.0
// The second test on the page "Testing against a machine": a machine put together from its parts.

import RMPModel
import Testing

@Suite struct TwoNodesTests {
    @Test func aGuestCostsGigabytesOfItsNode() throws {
        let memory = try MemoryMap(
            spans: [
                MemorySpan(start: 0, bytes: .gigabytes(32), node: 0),
                MemorySpan(start: SPA(region: 32), bytes: .gigabytes(32), node: 1),
            ],
            nodeCount: 2
        )
        let topology = try Topology(TopologyShape(packages: 2, coresPerPackage: 4))
        var machine = Machine(try MachineConfiguration(topology: topology, memory: memory))
        let before = machine.optimizedRegions
        try machine.launch(GuestDescription("far", memoryBytes: .gigabytes(8), placement: .aligned, node: 1))
        #expect(Set(before).subtracting(machine.optimizedRegions) == Set(32...40))
    }
}

// SPDX-License-Identifier: Apache-2.0
// The cost of a region, part by part, and of a pass, compared with the posted figure.

import Testing

@testable import RMPModel

@Suite struct CostModelTests {
    /// Leader first, as in the posted measurement, on a host with 2 TB of memory: one window.
    @Test func twoTerabytesTakeWhatWasPosted() throws {
        let machine = Machine(try MachineConfiguration(cpus: 1024, memoryBytes: 2 << 40, series: .v3))
        let pass = try #require(machine.passes.first)
        let time = Double(try #require(pass.end) - pass.start)
        #expect(abs(time - 311_135_734) / 311_135_734 < 0.15)
        let region = CostModel.standard.region(.oneThreadPerCore, firstAssignedChunk: nil, cores: 512).total * 2048
        #expect(abs(Double(region) - 311_135_734) / 311_135_734 < 0.15)
        let fail = CostModel.standard.region(.oneThreadPerCore, firstAssignedChunk: 0, cores: 512).total * 2048
        #expect(abs(Double(fail) - 95_275_588) / 95_275_588 < 0.02)
    }

    /// Two threads of a core that scan at once slow each other down; the version itself makes no difference.
    @Test(arguments: [(1, true), (2, false)])
    func threadsOfACoreAtOnce(threads: Int, isEqual: Bool) throws {
        let times = try [Series.v1, .v2].map { series in
            let machine = Machine(
                try MachineConfiguration(
                    topology: Topology(TopologyShape(coresPerPackage: 4, threadsPerCore: threads)),
                    memory: MemoryMap(bytes: 16 << 30),
                    series: series
                )
            )
            let pass = try #require(machine.passes.first)
            return pass.followerNanoseconds / UInt64(pass.regionsScanned)
        }
        #expect(isEqual ? times[0] == times[1] : times[0] < times[1])
    }

    @Test func costParts() {
        let costs = CostModel.standard
        #expect(costs.region(.oneThreadPerCore, firstAssignedChunk: nil, cores: 1).followers == 0)
        #expect(costs.region(.oneThreadPerCore, firstAssignedChunk: nil, cores: 2).followers == costs.contendedFollower)
        #expect(
            costs.region(.oneThreadPerCore, firstAssignedChunk: nil, cores: 0).total == costs.broadcast
                + costs.instruction
        )
        let half = costs.region(.oneThreadPerCore, firstAssignedChunk: 256, cores: 8)
        #expect(half.scan == costs.fullScan / 2 + costs.instruction && half.broadcast == costs.broadcast)
        #expect(half.handler == half.total - half.broadcast)
        // The merged driver's second phase, with the first scanner's result cached and without.
        let cached = costs.region(.independent, firstAssignedChunk: nil, cores: 8)
        #expect(cached.total == costs.independentFollower + costs.instruction && cached.total == cached.handler)
        let scanned = costs.region(.independent, firstAssignedChunk: nil, cores: 8, isCached: false)
        #expect(scanned.total == costs.fullScan + costs.instruction)
        var huge = CostModel()
        huge.broadcast = .max
        #expect(huge.region(.oneThreadPerCore, firstAssignedChunk: nil, cores: 2).total == .max)
    }
}

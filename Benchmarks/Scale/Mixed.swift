// SPDX-License-Identifier: Apache-2.0
// The memory of an RMP whose chunks are all mixed at 4 KB, from what a real host may do to what only a tester does.

import RMPModel

/// A machine of 2 TB and 1,024 CPUs with mixed chunks of one kind. One per process: the C library keeps freed memory.
enum Mixed {
    private static let chunks = Int((2 << 40) / (2 << 20) as UInt64)
    /// The number of chunks to measure where the result is extrapolated to all.
    private static let few = 1 << 16

    /// - Returns: whether there is a mix of that name.
    static func measure(_ name: String) throws -> Bool {
        let configuration = try MachineConfiguration(cpus: 1024, memoryBytes: 2 << 40)
        switch name {
        case "mixed":
            // Every second page, with GPAs in order: one guest's memory, half of it shared.
            try fill(name, configuration, chunks, stride: 2) { page in
                RMPUpdateInput(gpa: GPA(page << 12), assigned: true, asid: 1)
            }
        case "scattered":
            // Each page of a chunk differs from all others: one guest's pages in no order.
            try fill(name, configuration, chunks) { page in
                RMPUpdateInput(gpa: GPA((page &* 0x9e37 & 0xffff_ffff) << 12), assigned: true, asid: 1)
            }
        case "shuffled":
            // 1,000 guests of 2 GB whose pages share every chunk.
            try fill(name, configuration, few) { page in
                let mixed = page &* 0x9e37_79b9_7f4a_7c15
                let asid = UInt32(truncatingIfNeeded: 1 + (mixed >> 40) % 1000)
                return RMPUpdateInput(gpa: GPA((mixed >> 20 & 0x7ffff) << 12), assigned: true, asid: asid)
            }
        case "wild":
            // Random entries: any ASID, any GPA.
            try fill(name, configuration, few) { page in
                let mixed = page &* 0x9e37_79b9_7f4a_7c15
                let asid = UInt32(truncatingIfNeeded: 1 + (mixed >> 48) % 1023)
                return RMPUpdateInput(gpa: GPA((mixed >> 5 & 0x7f_ffff_ffff) << 12), assigned: true, asid: asid)
            }
        default: return false
        }
        return true
    }

    /// Assigns pages of `count` chunks, in the order of their addresses.
    private static func fill(
        _ name: String,
        _ configuration: MachineConfiguration,
        _ count: Int,
        stride step: Int = 1,
        _ input: (UInt64) -> RMPUpdateInput
    ) throws {
        let before = residentBytes()
        var machine = Machine(configuration)
        let base = count < chunks ? residentBytes() : before
        let first = count < chunks ? chunks / 2 : 0
        var samples = Samples()
        var refused = 0
        let pages = Granularity.pagesPerChunk
        samples.time(count * pages / step) {
            for page in Swift.stride(from: first * pages, to: (first + count) * pages, by: step) {
                let page = UInt64(page)
                // The RMP's own chunks refuse this.
                do { try machine.perform(.rmpupdate(SPA(page << 12), input(page)), at: 0) } catch { refused += 1 }
            }
        }
        let bytes = (residentBytes() - base) * chunks / count
        print(name, bytes, bytes, 1, count - refused * step / pages, "chunks", separator: "\t")
        samples.report(name + "-update", touches: ["page": 1])
        machine.runToIdle()
    }
}

// SPDX-License-Identifier: Apache-2.0
// Values that are valid by themselves but not together: the model refuses them, and the error names the place.

import RMPModel
import Testing

@testable import MachineFile

@Suite struct MachineErrorTests {
    @Test(arguments: [
        ("{cores_per_package: 8192}", "1: cpus.cores_per_package: 16384 CPUs: a machine has 1 to 8192"),
        (
            "{cores_per_package: 6, nodes_per_socket: 4}",
            "1: cpus.cores_per_package: 6 cores in a package of 4 nodes: give a multiple of 4"
        ),
        (
            "{cores_per_package: 6, nodes_per_socket: 3}",
            "1: cpus.nodes_per_socket: 3 nodes per socket: give 1, 2 or 4"
        ),
        (
            "{cores_per_package: 1, packages: 2, memory_only_nodes: 1023}",
            "1: cpus.memory_only_nodes: 1023 memory-only nodes: give 0 to 1022"
        ),
        ("{cores_per_package: 2, online: ''}", "1: cpus.online: no CPU is online: at least one must be"),
        ("{cores_per_package: 2, present: ''}", "1: cpus.present: no CPU is online: at least one must be"),
        (
            "{cores_per_package: 2, online: 0-3, present: 0-2}",
            "1: cpus.online: CPU 3 is online and not present: add it to the present ones"
        ),
        ("{cores_per_package: 2, online: 0-4}", "1: cpus.online: '0-4': there are 4 CPUs; use numbers below 4"),
        (
            "{cores_per_package: 2, online: 3-1}",
            "1: cpus.online: '3-1': the range 3-1 runs backwards; write 1-3"
        ),
        (
            "{cores_per_package: 2, present: 0-x}",
            "1: cpus.present: '0-x': byte 2 does not belong into a CPU list; write numbers and ranges, such as 0-3,8"
        ),
    ])
    func cpus(text: String, said: String) {
        #expect(refusal("cpus: \(text)\nmemory: [{size: 64G}]\n") == "test.yaml:" + said)
    }

    @Test(arguments: [
        (
            "[{size: 2M}]",
            "3: memory: 2097152 bytes of memory: a machine has 1 GB (1073741824 bytes) to 64 TB "
                + "(70368744177664 bytes)"
        ),
        (
            "\n  - {start: 0, size: 2G}\n  - {start: 1G, size: 2G}",
            "5: memory[1].start: [0x40000000 - 0xbfffffff] overlaps with the memory span before it: move one of them"
        ),
        (
            "\n  - {start: 4G, size: 64T}",
            "4: memory[0].size: 70368744177664 bytes of memory: a machine has 1 GB (1073741824 bytes) to 64 TB "
                + "(70368744177664 bytes)"
        ),
        ("\n  - size: 64G\n    node: 3", "5: memory[0].node: 3 node of a memory span: give 0 to 1"),
        (
            "\n  - {start: 0, size: 1G}\n  - {start: 1T, size: 400M}",
            "3: memory: from 0x28800000 on there are no 512M in one piece for the RMP; give larger "
                + "spans, or the key rmp"
        ),
    ])
    func memory(text: String, said: String) {
        #expect(refusal("cpus:\n  {packages: 2, cores_per_package: 8}\nmemory: \(text)\n") == "test.yaml:" + said)
    }

    @Test(arguments: [
        ("distances: [[10, 12], [12, 10]]", "3: distances: NUMA distances: 1 rows of 1 numbers each are needed"),
        ("distances: [[10, 12]]", "3: distances[0]: NUMA distances: 1 rows of 1 numbers each are needed"),
        ("distances:\n  - [11]", "4: distances[0]: NUMA distances: row 0: the distance of a node to itself is 10"),
        (
            "processor: {segment_shift_min: 40}",
            "3: processor.segment_shift_min: the smallest shift is 40 and the largest 39; exchange them"
        ),
        (
            "rmp: {base: 0, segments: [{index: 0, base: 1G, covers: 64G}]}",
            "3: rmp.base: the base of the RMP at 0x0: give a multiple of 1 MB above 0 and below 2^52"
        ),
        (
            "rmp: {segment_size: 3G, segments: [{index: 0, base: 1G, covers: 64G}]}",
            "3: rmp.segment_size: 3G; give a power of two, such as 128G"
        ),
        (
            "rmp: {base: 1G}",
            "3: rmp.segments: the key is missing; give the segments, or contiguous in their stead"
        ),
        (
            "rmp:\n  segment_size: 1G\n  contiguous: {base: 1G, end: 0x503fffff}",
            "4: rmp.segment_size: an RMP is contiguous or has segments; keep one of the two"
        ),
        (
            "rmp:\n  contiguous:\n    base: 1G\n    end: 0x50004000",
            "6: rmp.contiguous.end: the end of the RMP at 0x50004000: give the last byte, one less "
                + "than a multiple of 8 KB"
        ),
        (
            "rmp:\n  segments:\n    - {index: 0, base: 1G, covers: 64G}\n    - {index: 0, base: 2G, covers: 64G}",
            "6: rmp.segments[1].index: segment 0 is there already; give each index once"
        ),
        (
            "rmp:\n  segments:\n    - {index: 0, base: 65G, covers: 64G}",
            "5: rmp.segments[0]: an RMP segment at [0x1040000000 - 0x104fffffff]: there is no memory; move it into a "
                + "memory span"
        ),
        (
            "rmp:\n  segments:\n    - {index: 0, base: 1G, covers: 64G}\nfirmware:\n  pages:\n    - "
                + "{start: 1G, size: 4K}",
            "8: firmware.pages[0]: [0x40000000 - 0x40000fff] overlaps with an RMP segment: move one of them"
        ),
        (
            "firmware:\n  hv_fixed:\n    - {start: 4G, size: 4K}",
            "5: firmware.hv_fixed[0]: [0x100000000 - 0x100000fff] overlaps with firmware's memory: move one of them"
        ),
        (
            "firmware:\n  pages:\n    - {start: 64G, size: 4K}",
            "5: firmware.pages[0]: firmware's memory at [0x1000000000 - 0x1000000fff]: there is no "
                + "memory; move it into a "
                + "memory span"
        ),
    ])
    func parts(text: String, said: String) {
        #expect(refusal(smallest + text + "\n") == "test.yaml:" + said)
    }
}

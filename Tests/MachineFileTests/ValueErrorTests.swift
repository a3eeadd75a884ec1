// SPDX-License-Identifier: Apache-2.0
// Exact errors about keys and values: place, key, what is wrong and what to write instead.

import Testing

@testable import MachineFile

@Suite struct ValueErrorTests {
    /// A text that follows the smallest machine (lines 1 and 2), and the error.
    @Test(arguments: [
        // Keys.
        ("serie: v1", "test.yaml:3: serie: there is no such key; did you mean series?"),
        ("Series: v1", "test.yaml:3: Series: there is no such key; did you mean series?"),
        ("online: 0-3", "test.yaml:3: online: there is no such key here; it belongs into cpus"),
        ("boot: {series: v1}", "test.yaml:3: boot.series: there is no such key here; it belongs to the file itself"),
        (
            "boot:\n  nonsense: 1",
            "test.yaml:4: boot.nonsense: there is no such key; known are stage, firmware_delay, "
                + "window_allocation, driver_failure, log, worker_cpu, kvm, late_memory"
        ),
        (
            "boot:\n  stage: kernel\n  stage: kernel",
            "test.yaml:4: stage: the key appears twice in one mapping; keep one of them"
        ),
        ("cpus: {cores_per_package: 4}", "test.yaml:1: cpus: the key appears twice in one mapping; keep one of them"),
        (
            "rmp: {contiguous: {base: 1M}}",
            "test.yaml:3: rmp.contiguous.end: the key is missing; give 1 to 64T, such as 16G or 0x40000000"
        ),
        (
            "\"\\u001b[31m\": 1",
            "test.yaml:3: \\u{1b}[31m: there is no such key; known are name, description, cpus, "
                + "memory, distances, rmp, "
                + "firmware, processor, series, windows, boot, costs"
        ),
        // Types.
        (
            "boot: kernel",
            "test.yaml:3: boot: 'kernel' is not valid; give a mapping of stage, firmware_delay, "
                + "window_allocation, driver_failure, log, worker_cpu, kvm, late_memory"
        ),
        (
            "boot: [kernel]",
            "test.yaml:3: boot: a list is not valid here; give a mapping of stage, firmware_delay, "
                + "window_allocation, driver_failure, log, worker_cpu, kvm, late_memory"
        ),
        (
            "boot:",
            "test.yaml:3: boot: there is no value; give a mapping of stage, firmware_delay, "
                + "window_allocation, driver_failure, log, worker_cpu, kvm, late_memory"
        ),
        ("series:", "test.yaml:3: series: there is no value; give v1, v2, v3, v4, v5, v6, v7, v8, v9, v10 or merged"),
        ("windows: [series]", "test.yaml:3: windows: a list is not valid here; give series or lowest-average-distance"),
        (
            "windows: {series: 1}",
            "test.yaml:3: windows: a mapping is not valid here; give series or lowest-average-distance"
        ),
        ("windows: best", "test.yaml:3: windows: 'best' is not valid; give series or lowest-average-distance"),
        ("boot: {stage: user}", "test.yaml:3: boot.stage: 'user' is not valid; give kernel or firmware"),
        (
            "boot: {driver_failure: disk}",
            "test.yaml:3: boot.driver_failure: 'disk' is not valid; give none, thread, configfs, workqueue, cpumask or "
                + "pass-cpumask"
        ),
        ("boot: {window_allocation: no}", "test.yaml:3: boot.window_allocation: 'no' is not valid; give ok or fails"),
        ("processor: {snp: yes}", "test.yaml:3: processor.snp: 'yes' is not valid; give true or false"),
        ("processor: {asids: 0}", "test.yaml:3: processor.asids: '0' is not valid; give a number from 1 to 1023"),
        ("processor: {asids: 1.5}", "test.yaml:3: processor.asids: '1.5' is not valid; give a number from 1 to 1023"),
        (
            "processor: {cached_segments: -1}",
            "test.yaml:3: processor.cached_segments: '-1' is not valid; give a number from 0 to 1023"
        ),
        (
            "processor: {segment_shift_min: 64}",
            "test.yaml:3: processor.segment_shift_min: '64' is not valid; give a number from 28 to 63"
        ),
        (
            "distances: [10]",
            "test.yaml:3: distances[0]: '10' is not valid; give a list of 1 to 1024 entries, each a "
                + "number from 10 to 254"
        ),
        ("distances: []", "test.yaml:3: distances: 0 entries; give 1 to 1024"),
        ("distances: [[9]]", "test.yaml:3: distances[0][0]: '9' is not valid; give a number from 10 to 254"),
        // Sizes and times.
        (
            "firmware: {pages: [{start: 4G, size: 1K}]}",
            "test.yaml:3: firmware.pages[0].size: '1K' is not valid; give 4K to 64T, a multiple of 4K, such as 16G or "
                + "0x40000000"
        ),
        (
            "firmware: {hv_fixed: [{start: 1.5G, size: 4K}]}",
            "test.yaml:3: firmware.hv_fixed[0].start: '1.5G' is not valid; give 0 to 64T, a multiple "
                + "of 4K, such as 16G "
                + "or 0x40000000"
        ),
        (
            "rmp: {base: 4K}",
            "test.yaml:3: rmp.base: '4K' is not valid; give 0 to 64T, a multiple of 1M, such as 16G or 0x40000000"
        ),
        (
            "boot: {firmware_delay: 2d}",
            "test.yaml:3: boot.firmware_delay: '2d' is not valid; give 0 to 86400 s as a number of ns, "
                + "or with ns, us, ms "
                + "or s, such as 80 or 1s"
        ),
        (
            "costs: {broadcast: 2s}",
            "test.yaml:3: costs.broadcast: '2s' is not valid; give 0 to 1 s as a number of ns, or with "
                + "ns, us, ms or s, "
                + "such as 80 or 1s"
        ),
    ])
    func behindTheSmallestMachine(text: String, said: String) {
        #expect(refusal(smallest + text + "\n") == said)
    }

    @Test(arguments: [
        ("", "test.yaml: the file is empty; give at least cpus and memory"),
        ("# nothing\n", "test.yaml: the file is empty; give at least cpus and memory"),
        ("- 1\n", "test.yaml:1: the file must be a mapping; begin with a key, such as cpus:"),
        ("text\n", "test.yaml:1: the file must be a mapping; begin with a key, such as cpus:"),
        (
            "memory: [{size: 1G}]\n",
            "test.yaml:1: cpus: the key is missing; give a mapping of packages, nodes_per_socket, cores_per_package, "
                + "threads_per_core, memory_only_nodes, present, online"
        ),
        (
            "\ncpus: {cores_per_package: 4}\n",
            "test.yaml:2: memory: the key is missing; give a list of 1 to 1024 entries, each a mapping of start, size, "
                + "node"
        ),
        (
            "memory: [{size: 1G}]\ncpus:\n  packages: 2\n",
            "test.yaml:3: cpus.cores_per_package: the key is missing; give a number from 1 to 8192"
        ),
        (
            "cpus: {cores_per_package: 4}\nmemory:\n  - size: 1G\n  - start: 2G\n",
            "test.yaml:4: memory[1].size: the key is missing; give 2M to 64T, a multiple of 2M, such "
                + "as 16G or 0x40000000"
        ),
    ])
    func wholeFiles(text: String, said: String) {
        #expect(refusal(text) == said)
    }

    @Test func longValuesAreCut() {
        let said = refusal(smallest + "series: " + String(repeating: "x", count: 1000) + "\n")
        let shown = String(repeating: "x", count: 40) + "..."
        #expect(said?.hasPrefix("test.yaml:3: series: '\(shown)' is not valid; give v1, v2") == true)
    }
}

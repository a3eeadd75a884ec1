// SPDX-License-Identifier: Apache-2.0
// The cost of each operation on a machine of a given size. Each size runs in its own process, which makes memory
// comparable; Benchmarks/scale runs all sizes and draws the chart.

import Glibc
import RMPFS
import RMPModel

let gigabyte: UInt64 = 1 << 30

/// Prints one line for each operation: name, best and median in ns, repetitions, and the work done: numbers and units,
/// separated by commas.
@main
struct Scale {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        if CommandLine.arguments.count == 2, try Mixed.measure(CommandLine.arguments[1]) { return }
        guard arguments.count == 2, CommandLine.arguments.count == 3 else {
            print("usage: Scale CPUS TERABYTES | Scale mixed | Scale scattered | Scale shuffled | Scale wild")
            exit(2)
        }
        let (cpus, terabytes) = (arguments[0], arguments[1])
        let configuration = try MachineConfiguration(cpus: cpus, memoryBytes: UInt64(terabytes) << 40)
        try Texts(configuration).measure()
        try Operations(configuration).measure()
    }
}

/// The CPU times of one operation.
struct Samples {
    private(set) var nanoseconds: [Double] = []

    /// Runs `body` once and records its CPU time, divided by the `count` operations in it.
    mutating func time<Result>(_ count: Int = 1, _ body: () throws -> Result) rethrows -> Result {
        let start = Samples.spent()
        let result = try body()
        nanoseconds.append((Samples.spent() - start) / Double(count))
        return result
    }

    /// Runs what is pending on a machine to its end and notes how much CPU time it took.
    mutating func time(of machine: consuming Machine) { time { machine.runToIdle() } }

    /// CPU time of the process in ns, including the kernel's part: on a shared machine, the wall clock would also count
    /// the work of others.
    private static func spent() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
    }

    func report(_ name: String, touches counts: KeyValuePairs<String, Int>) {
        let sorted = nanoseconds.sorted()
        guard let best = sorted.first else { return }
        let numbers = counts.map { String($0.value) }.joined(separator: ",")
        let units = counts.map(\.key).joined(separator: ",")
        print(name, best, sorted[sorted.count / 2], sorted.count, numbers, units, separator: "\t")
    }
}

/// Resident bytes now.
func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let bytes = line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    guard fields.count > 1, let pages = Int(fields[1]) else { return 0 }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}

func reportMemory(_ name: String) { print(name, residentBytes(), residentBytes(), 1, 1, "machine", separator: "\t") }

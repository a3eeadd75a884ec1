// SPDX-License-Identifier: Apache-2.0
// Reads rmpopt-table and cpuN: which CPUs have which region optimized.

/// A list of CPUs as the kernel prints one: `0-3,8,12-15`, or `none`.
struct CPURanges: Sendable, Equatable {
    private(set) var ranges: [ClosedRange<Int>] = []

    /// How many CPUs it holds.
    var count: Int { ranges.reduce(0) { $0 + $1.count } }

    /// The largest number accepted, far above what Linux supports.
    static let largest: UInt64 = 1 << 20

    /// Whether a CPU is in it.
    func contains(_ cpu: Int) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < cpu { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(cpu)
    }

    init() {}

    /// nil if the text is not such a list: numbers must ascend, and ranges must not touch.
    init?(_ text: ArraySlice<UInt8>) {
        if text.elementsEqual("none".utf8) { return }
        var reader = TextReader(text)
        repeat {
            guard let first = reader.takeNumber(), first <= Self.largest else { return nil }
            var last = first
            if reader.take("-") {
                guard let end = reader.takeNumber(), end > first, end <= Self.largest else { return nil }
                last = end
            }
            if let earlier = ranges.last, Int(first) <= earlier.upperBound { return nil }
            ranges.append(Int(first)...Int(last))
        } while reader.take(",")
        guard reader.isAtEnd else { return nil }
    }
}

/// The lines of `rmpopt-table`.
enum DebugfsTableReader {
    /// A region and the CPUs that have it optimized.
    struct Row: Equatable {
        let region: UInt64
        let cpus: CPURanges
    }

    /// All lines; in series v1 to v4 the last one is not a region.
    static func rows(_ text: HostText) throws(HostFileError) -> [Row] {
        var rows: [Row] = []
        var known: (text: ArraySlice<UInt8>, cpus: CPURanges)?
        for line in try text.lines() {
            var reader = TextReader(line.line)
            guard let region = reader.takeRegion(), reader.take("CPU(s): ") else {
                throw text.error(line, "'Memory @...GB: CPU(s): ...'")
            }
            if let last = rows.last?.region, region != last + 1 {
                throw HostFileError(text.name, line: line.number, "region \(region) does not follow region \(last)")
            }
            // Most lines have the same list as the line before.
            if let known, known.text == reader.rest {
                rows.append(Row(region: region, cpus: known.cpus))
                continue
            }
            guard let cpus = CPURanges(reader.rest) else { throw text.error(line, "a line with a list of CPUs") }
            known = (reader.rest, cpus)
            rows.append(Row(region: region, cpus: cpus))
        }
        return rows
    }
}

/// The lines of `cpuN`.
enum CPUFileReader {
    /// The file's word for what a region is to a CPU.
    enum Status: Sendable {
        case optimized, checked, outside
        /// SNP is not enabled: nothing is checked.
        case unchecked
        /// What an RMP alone shows: whether RMPOPT can optimize it.
        case free, held
    }

    private static let words: [(word: String, status: Status)] = [
        ("optimized", .optimized), ("checked", .checked), ("outside", .outside), ("unchecked", .unchecked),
        ("free", .free), ("held", .held),
    ]

    /// A region and what it is to the CPU.
    struct Row: Equatable {
        let region: UInt64
        let status: Status
    }

    /// All lines.
    static func rows(_ text: HostText) throws(HostFileError) -> [Row] {
        var rows: [Row] = []
        for line in try text.lines() {
            var reader = TextReader(line.line)
            let region = try text.takeRegion(of: line, with: &reader, after: rows.last?.region)
            guard let status = words.first(where: { reader.rest.elementsEqual($0.word.utf8) })?.status else {
                throw text.error(line, "optimized, checked, outside, unchecked, free or held")
            }
            rows.append(Row(region: region, status: status))
        }
        return rows
    }
}

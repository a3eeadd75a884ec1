// SPDX-License-Identifier: Apache-2.0
// Which form of the RMPOPT driver the running kernel has, by the names of its functions: the only trace of the versions
// that have no file.

public import RMPModel

/// The names in /proc/kallsyms, which every user may read; the addresses are root's.
public enum KernelSymbols {
    /// Where the kernel lists its symbols.
    public static let path = "/proc/kallsyms"

    /// The versions of the series that have the same function as the kernel; empty if it has none, or if the names
    /// cannot be read.
    /// - Parameter symbols: the text of /proc/kallsyms.
    public static func series(in symbols: [UInt8]) -> [Series] {
        var points: [[UInt8]: [Series]] = [:]
        for series in Series.all { points[Array(series.entryPoint.utf8), default: []].append(series) }
        for line in symbols.split(separator: 0x0A) {
            // Address, type, name, and the module in brackets.
            let fields = line.split(maxSplits: 3) { $0 == 0x20 || $0 == 0x09 }
            if fields.count >= 3, let found = points[Array(fields[2])] { return found }
        }
        return []
    }

    /// The same for the running kernel.
    static func ofRunningKernel() -> [Series] { SystemFiles.contents(of: path).map(series(in:)) ?? [] }

    /// Some versions in words: `v4 to v10`.
    public static func words(_ series: [Series]) -> String {
        guard let first = series.first, let last = series.last else { return "none" }
        return first == last ? first.name : "\(first.name) to \(last.name)"
    }
}

// SPDX-License-Identifier: Apache-2.0
// Reads and writes the running kernel's own files: whole, and twice where a single reading may mix two moments.

import Glibc
import RMPModel

/// Where the running kernel's files are.
public struct KernelRoots: Sendable, Hashable {
    /// configfs.
    public var config: String
    /// debugfs.
    public var debug: String
    /// The folder with `online` and `possible`.
    public var cpus: String

    /// The kernel's own places, except for the given ones.
    public init(
        config: String = "/sys/kernel/config",
        debug: String = "/sys/kernel/debug",
        cpus: String = "/sys/devices/system/cpu"
    ) {
        (self.config, self.debug, self.cpus) = (config, debug, cpus)
    }

    /// Refuses a mount point at or above a root: the daemon would send requests to itself.
    public func check(mountPoint: String) throws(KernelError) {
        for root in [config, debug, cpus] {
            let path = MountPoint.resolve(root) ?? root
            if path.utf8.elementsEqual(mountPoint.utf8)
                || path.utf8.starts(with: (mountPoint == "/" ? "/" : mountPoint + "/").utf8)
            {
                throw .covered(path: mountPoint, root: root)
            }
        }
    }
}

/// The kernel's files of one version of the series.
struct KernelFiles: Sendable {
    let series: KernelSeries
    private let roots: KernelRoots
    /// The number of possible CPUs.
    let cpuCount: Int
    /// The regions, as the first reading found them: memory does not change.
    let regions: Range<Int>

    /// The longest possible table: 64 TB, and a list of 8,192 CPUs in each line.
    private static let sizeLimit = 1 << 32
    private static let chunk = 1 << 16
    /// The most CPUs of any x86 kernel.
    private static let cpuLimit = 8192
    /// How often a table is read until two readings agree.
    private static let readings = 4

    var debugfsTablePath: String { "\(roots.debug)/\(series.debugfsTable.path)" }
    private var actionPath: String { "\(roots.config)/rmpopt/action" }
    private var descriptionPath: String { "\(roots.config)/rmpopt/description" }

    /// Finds the files, and with them the version of the series.
    init(_ roots: KernelRoots) throws(KernelError) {
        try self.init(roots, KernelSeries.find(config: roots.config, debug: roots.debug))
    }

    /// The files of a version.
    init(_ roots: KernelRoots, _ series: KernelSeries) throws(KernelError) {
        self.roots = roots
        self.series = series
        let possible = try Self.cpuList("\(roots.cpus)/possible", limit: Self.cpuLimit)
        var count = 0
        possible.forEachRun { count = $0.upperBound + 1 }
        cpuCount = count
        let online = try Self.cpuList("\(roots.cpus)/online", limit: count)
        let path = "\(roots.debug)/\(series.debugfsTable.path)"
        let text = try Self.read(path, lastLineOnItsOwn: series.debugfsTable.hasEndLine)
        let table = try Self.parse(text, of: path, online: online, roots)
        let lines = table.rows.count - (series.debugfsTable.hasEndLine ? 1 : 0)
        if lines == 0 { throw .unknownText(path: path, "no line but that of the end of memory") }
        regions = table.firstRegion..<table.firstRegion + lines
    }

    /// The table at one moment: read until two readings agree.
    /// - Returns: the table including the end line, for versions that have one, and the online CPUs.
    func debugfsTable() throws(KernelError) -> (table: KernelDebugfsTable, online: CPUSet) {
        let online = try onlineCPUs()
        var last = try text()
        var difference = 1
        for _ in 1..<Self.readings {
            let next = try text()
            guard let line = KernelDebugfsTable.firstDifference(last, next) else {
                let table = try Self.parse(next, of: debugfsTablePath, online: online, roots)
                let expected = regions.count + (series.debugfsTable.hasEndLine ? 1 : 0)
                if table.firstRegion != regions.lowerBound || table.rows.count != expected {
                    let (first, lines) = (table.firstRegion, table.rows.count)
                    throw .unknownText(
                        path: debugfsTablePath,
                        "\(lines) lines from region \(first) on; there were \(expected) from \(regions.lowerBound) on"
                    )
                }
                return (table, online)
            }
            difference = line
            last = next
        }
        throw .changed(
            path: debugfsTablePath,
            line: difference,
            text: KernelDebugfsTableError.line(difference, of: last)
        )
    }

    /// One reading. The end of a buffer may hide the end line: then it is read separately.
    private func text() throws(KernelError) -> [UInt8] {
        let text = try Self.read(debugfsTablePath)
        let lines = text.count { $0 == UInt8(ascii: "\n") }
        guard series.debugfsTable.hasEndLine, lines == regions.count else { return text }
        return try Self.read(debugfsTablePath, lastLineOnItsOwn: true)
    }

    func onlineCPUs() throws(KernelError) -> CPUSet {
        try Self.cpuList("\(roots.cpus)/online", limit: cpuCount)
    }

    /// Whether series v1's flag is set.
    func optimizationInProgress() throws(KernelError) -> Bool {
        let text = try Self.read(actionPath)
        switch String(decoding: text, as: UTF8.self) {
        case "RMP optimization in progress: Yes\n": return true
        case "RMP optimization in progress: No\n": return false
        default:
            let error = KernelDebugfsTableError(line: 1, of: text, at: 0, .unknown)
            throw .unknownText(path: actionPath, "line 1 '\(error.text)': neither Yes nor No as series v1 says it")
        }
    }

    func description() throws(KernelError) -> [UInt8] { try Self.read(descriptionPath) }

    /// The module's passes, which have our columns.
    func passes() throws(KernelError) -> [UInt8] {
        let path = "\(roots.debug)/\(ModuleFiles.passes)"
        let text = try Self.read(path)
        guard text.starts(with: PassesReport.heading.utf8) else {
            let error = KernelDebugfsTableError(line: 1, of: text, at: 0, .unknown)
            throw .unknownText(path: path, "line 1 '\(error.text)': not the columns that this version of rmpfs knows")
        }
        return text
    }

    /// What the module's passes did; nil if it does not add them up.
    func modulePasses() throws(KernelError) -> ModulePasses? {
        let path = "\(roots.debug)/\(ModuleFiles.totals)"
        if access(path.systemName, F_OK) != 0 && errno == ENOENT { return nil }
        // Totals first: a pass that ends in between is then only missing from them until the next look.
        let totals = try Self.read(path)
        let passes = try passes()
        do {
            return try ModulePasses(totals: totals, passes: passes)
        } catch {
            throw .unknownText(path: error.isOfTotals ? path : "\(roots.debug)/\(ModuleFiles.passes)", error.reason)
        }
    }

    /// Asks for a pass, as `echo 1 > action` does.
    func reoptimize() throws(KernelError) {
        let file = open(actionPath.systemName, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw .refused(path: actionPath, .current) }
        defer { close(file) }
        if write(file, "1\n", 2) != 2 { throw .refused(path: actionPath, .current) }
    }

    // MARK: Reading

    private static func parse(
        _ text: [UInt8],
        of path: String,
        online: CPUSet,
        _ roots: KernelRoots
    ) throws(KernelError) -> KernelDebugfsTable {
        do {
            return try KernelDebugfsTable(text, online: online)
        } catch {
            if case .notOnline = error.reason {
                throw .otherCPUs(path: path, "\(error)", online: "\(roots.cpus)/online")
            }
            throw .unknownText(path: path, "\(error)")
        }
    }

    private static func cpuList(_ path: String, limit: Int) throws(KernelError) -> CPUSet {
        let text: [UInt8]
        do { text = try read(path) } catch {
            guard case .unreadable(_, let number) = error else { throw error }
            throw .noCPUList(path: path, number)
        }
        let set: CPUSet
        do {
            set = try CPUList.parse(text, limit: limit)
        } catch {
            throw .unknownText(path: path, "\(error)")
        }
        if set.isEmpty { throw .unknownText(path: path, "no CPU is named") }
        return set
    }

    /// Reads a file to its end.
    /// - Parameter lastLineOnItsOwn: for a table with an end line: reads again from the start of the last line. If that
    ///   was the end line, it is hidden; if not, the end line now shows.
    private static func read(_ path: String, lastLineOnItsOwn: Bool = false) throws(KernelError) -> [UInt8] {
        let file = open(path.systemName, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .unreadable(path: path, .current) }
        defer { close(file) }
        var text: [UInt8] = []
        try readOn(file, path, from: nil, into: &text)
        guard lastLineOnItsOwn else { return text }
        let start = text.dropLast().lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
        if start == 0 { return text }
        var last: [UInt8] = []
        try readOn(file, path, from: start, into: &last)
        return last.isEmpty ? text : text[..<start] + last
    }

    private static func readOn(
        _ file: Int32,
        _ path: String,
        from offset: Int?,
        into text: inout [UInt8]
    ) throws(KernelError) {
        var chunk = [UInt8](repeating: 0, count: chunk)
        if let offset, lseek(file, off_t(offset), SEEK_SET) < 0 { throw .unreadable(path: path, .current) }
        while true {
            let count = Glibc.read(file, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .unreadable(path: path, .current) }
            if count == 0 { return }
            text += chunk[..<count]
            if text.count > sizeLimit { throw .unknownText(path: path, "more than \(sizeLimit) bytes") }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The running kernel as an engine: its own files of series v1 to v8, or our module's, read again for each answer.

public import RMPModel
import Synchronization

/// Answers for the host that this runs on.
///
/// Between answers it keeps only a table of which a reader has read a part. It refuses what the kernel's files cannot
/// say. Text that the kernel cannot have printed is an error (``Errno/ioError``) and a line in the log.
public final class KernelEngine: Engine {
    /// A table that was read, and when.
    struct Reading: Sendable {
        let table: KernelDebugfsTable
        let online: CPUSet
        let time: UInt64

        /// What its lines say about some regions, which begin with the first line's.
        func map(of regions: Range<Int>) -> OptimizationMap {
            var map = OptimizationMap(online: online, from: regions.lowerBound)
            for line in 0..<regions.count {
                if line > 0 && table.rows[line] == table.rows[line - 1] {
                    map.appendLast()
                } else {
                    map.append(table.cpus(ofLine: line))
                }
            }
            return map
        }
    }

    private struct State: Sendable {
        var reading: Reading?
        var lastLine = ""
    }

    let files: KernelFiles
    /// Whether a store of 1 is passed on to the kernel.
    public let allowsRequests: Bool
    private let state = Mutex(State())
    private let log: @Sendable (String) -> Void

    /// How long a reader may get the rest of a table that it began to read, in ns. The kernel makes each page anew.
    private static let patience: UInt64 = 1_000_000_000

    /// Finds the kernel's files and reads them once.
    /// - Parameters:
    ///   - allowsRequests: whether passes may be asked for.
    ///   - log: takes a line for each error of the kernel's files, on any thread; repeats of an error are not logged.
    public convenience init(
        _ roots: KernelRoots,
        allowsRequests: Bool,
        log: @escaping @Sendable (String) -> Void
    ) throws(KernelError) {
        try self.init(KernelFiles(roots), allowsRequests: allowsRequests, log: log)
    }

    /// An engine on files that were already found.
    init(
        _ files: KernelFiles,
        allowsRequests: Bool,
        log: @escaping @Sendable (String) -> Void
    ) throws(KernelError) {
        self.files = files
        self.allowsRequests = allowsRequests
        self.log = log
        if allowsRequests && !files.series.hasAction { throw .noRequests(versions: files.series.versions) }
        _ = try files.debugfsTable()
    }

    /// The number of possible CPUs.
    public var cpuCount: Int { files.cpuCount }
    /// The versions of the series that have these files, such as `v2 to v4`.
    public var versions: String { files.series.versions }

    /// The first of the versions that have these files.
    public var series: Series { files.series.first }
    /// What a table shows; and the module's own passes.
    public var reports: [Report] { files.series.isModule ? [.blockers, .passes, .metrics] : [.blockers, .metrics] }
    /// Always; reads fail while it does not exist.
    public var hasDebugfsTable: Bool { true }
    /// We cannot see it being removed.
    public var debugfsTableNumber: Int? { 0 }
    /// Whatever was found at the start exists.
    public var hasConfigfs: Bool { series.hasConfigfs }
    /// Without it there is no engine.
    public var hasRMPOPT: Bool { true }

    /// Writes what the table shows.
    public func show(_ report: Report, into text: inout TextBuffer) throws(Errno) {
        switch report {
        case .blockers:
            let map = try optimizationMap()
            BlockersReport.write(map, isOutside: { isBeyondWindow(region: $0) }, into: &text)
        case .metrics:
            let map = try optimizationMap()
            let isRunning = files.series.hasAction ? try passIsRunning() : nil
            let passes =
                files.series.isModule
                ? try ask { () throws(KernelError) in try files.modulePasses() } : nil
            MetricsReport.write(
                map,
                versions: versions,
                passIsRunning: isRunning,
                ofModule: passes,
                isOutside: { isBeyondWindow(region: $0) },
                into: &text
            )
        case .passes where files.series.isModule:
            text.append(try ask { () throws(KernelError) in try files.passes() })
        default: throw Errno(.untold)
        }
    }

    /// Runs a question to the kernel's files, which may take long: each line of a table is a call to all CPUs.
    func ask<Result>(_ question: () throws(KernelError) -> Result) throws(Errno) -> Result {
        LongWork.announce()
        do {
            return try question()
        } catch {
            let line = error.description
            let isNew = state.withLock { state in
                defer { state.lastLine = line }
                return state.lastLine != line
            }
            if isNew { log(line) }
            throw Errno(error)
        }
    }

    /// The table as it is now.
    func read() throws(Errno) -> Reading {
        let (table, online) = try ask { () throws(KernelError) in try files.debugfsTable() }
        let reading = Reading(table: table, online: online, time: HostClock.monotonic)
        state.withLock { state in
            state.reading = reading
            state.lastLine = ""
        }
        return reading
    }

    /// What the table shows now.
    private func optimizationMap() throws(Errno) -> OptimizationMap { try read().map(of: files.regions) }

    /// Series v1's flag.
    /// - Throws: ``Errno/notSupported`` for versions that do not say.
    public func optimizationInProgress() throws(Errno) -> Bool {
        guard files.series.hasAction else { throw Errno(.untold) }
        return try ask { () throws(KernelError) in try files.optimizationInProgress() }
    }

    /// The kernel's own text.
    public func showDescription(into text: inout TextBuffer) throws(Errno) {
        text.append(try ask { () throws(KernelError) in try files.description() })
    }

    /// Series v1's flag: passes that nobody asked for are invisible.
    /// - Throws: ``Errno/notSupported`` for versions that do not say.
    public func passIsRunning() throws(Errno) -> Bool { try optimizationInProgress() }

    /// Writes 1 to series v1's `action`.
    public func reoptimize() throws(Errno) {
        guard files.series.hasAction else { throw Errno(.untold) }
        guard allowsRequests else { throw Errno(.readOnly) }
        try ask { () throws(KernelError) in try files.reoptimize() }
    }

    /// The lines as the kernel printed them.
    public func showDebugfsTable(from first: Int, into page: inout RecordPage) throws(Errno) {
        let kept = first == 0 ? nil : state.withLock { $0.reading }
        let reading: Reading
        if let kept, HostClock.monotonic &- kept.time < Self.patience { reading = kept } else { reading = try read() }
        for line in lines(from: first) {
            let wanted = try page.record { text throws(Errno) in text.append(Array(reading.table.text(ofLine: line))) }
            if !wanted { return }
        }
    }

    /// The lines that one fill of the buffer gets, from line `first` on.
    private func lines(from first: Int) -> Range<Int> {
        let count = files.regions.count
        return DebugfsTableText.lines(from: first, regions: 0..<count, hasEndLine: files.series.debugfsTable.hasEndLine)
    }

    /// Nothing: the kernel does not say when its table changes.
    public func renderedDebugfsTable(from first: Int) throws(Errno) -> Rendering? { nil }

    /// Nothing, as for the table.
    public func renderedRegions(ofCPU cpu: Int) throws(Errno) -> Rendering? { nil }

    /// The regions of a CPU.
    /// - Throws: ``Errno/noSuchDevice`` for a CPU that is offline.
    public func showRegions(ofCPU cpu: Int, into text: inout TextBuffer) throws(Errno) {
        let map = try optimizationMap()
        guard map.online.contains(cpu) else { throw Errno(.offlineCPU) }
        for region in map.regions {
            let status = CPURegions.Status(
                isChecked: true,
                isOptimized: map.isOptimized(region: region, cpu: cpu),
                isOutside: isBeyondWindow(region: region)
            )
            CPURegions.line(region: region, status, into: &text)
        }
    }

    /// Whether all cores share one window and a region is beyond it. Where each core may have its own window, which the
    /// files do not show, no region is known to be beyond it.
    private func isBeyondWindow(region: Int) -> Bool {
        files.series.hasOneWindow && region - files.regions.lowerBound >= RMPOPTBase.windowRegions
    }
}

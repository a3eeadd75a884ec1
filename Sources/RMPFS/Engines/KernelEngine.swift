// SPDX-License-Identifier: Apache-2.0
// The running kernel as an engine: its own files of series v1 to v8, read anew for each answer.

public import RMPModel
import Synchronization

/// Answers for the host that this runs on.
///
/// Nothing is kept from one answer to the next but the table of which a reader has had a part. What cannot be known
/// from the kernel's files is refused, and what they cannot have said is an error (``Errno/ioError``) and a line in the
/// log.
public final class KernelEngine: Engine {
    /// A table that was read, and when.
    struct Reading: Sendable {
        let table: KernelTable
        let online: CPUSet
        let time: UInt64
    }

    private struct State: Sendable {
        var reading: Reading?
        var lastLine = ""
    }

    let files: KernelFiles
    /// Whether a store of 1 is passed on to the kernel.
    let allowsRequests: Bool
    private let state = Mutex(State())
    private let log: @Sendable (String) -> Void

    /// How long the rest of a table may be given to who has its beginning, in ns. The kernel makes each page anew.
    private static let patience: UInt64 = 1_000_000_000

    /// Finds the kernel's files and reads them once.
    /// - Parameters:
    ///   - allowsRequests: whether passes may be asked for.
    ///   - log: takes a line for each error of the kernel's files, on any thread; the same one is told once.
    public init(
        _ roots: KernelRoots,
        allowsRequests: Bool,
        log: @escaping @Sendable (String) -> Void
    ) throws(KernelError) {
        files = try KernelFiles(roots)
        self.allowsRequests = allowsRequests
        self.log = log
        if allowsRequests && !files.series.hasAction { throw .noRequests(versions: files.series.versions) }
        _ = try files.table()
    }

    /// The number of CPUs that there can be.
    public var cpuCount: Int { files.cpuCount }
    /// The versions of the series that have these files, such as `v2 to v4`.
    public var versions: String { files.series.versions }

    /// The first of the versions that have these files.
    public var series: Series { files.series.first }
    /// What a table tells.
    public var reports: [Report] { [.blockers, .metrics] }
    /// Reads fail while it is not.
    public var hasTable: Bool { true }
    /// Nobody removes it that we know of.
    public var tableNumber: Int? { 0 }
    /// What is found is there.
    public var hasConfigfs: Bool { series.hasConfigfs }
    /// Without it there is no engine.
    public var hasRMPOPT: Bool { true }

    /// Writes what the table tells.
    public func show(_ report: Report, into text: inout TextBuffer) throws(Errno) {
        switch report {
        case .blockers: try KernelReports(engine: self).blockers(into: &text)
        case .metrics: try KernelReports(engine: self).metrics(into: &text)
        default: throw .notSupported
        }
    }

    /// Does something with the kernel's files, which may take long: each line of a table is a call to all CPUs.
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
            if case .refused(_, let refusal) = error { throw refusal }
            throw .ioError
        }
    }

    /// The table as it is now.
    func read() throws(Errno) -> Reading {
        let (table, online) = try ask { () throws(KernelError) in try files.table() }
        let reading = Reading(table: table, online: online, time: HostClock.monotonic)
        state.withLock { state in
            state.reading = reading
            state.lastLine = ""
        }
        return reading
    }

    /// Series v1's flag.
    /// - Throws: ``Errno/notSupported`` for versions that do not tell.
    public func optimizationInProgress() throws(Errno) -> Bool {
        guard files.series.hasAction else { throw .notSupported }
        return try ask { () throws(KernelError) in try files.optimizationInProgress() }
    }

    /// Series v1's flag: passes that nobody asked for cannot be seen.
    /// - Throws: ``Errno/notSupported`` for versions that do not tell.
    public func passIsRunning() throws(Errno) -> Bool { try optimizationInProgress() }

    /// Writes 1 to series v1's `action`.
    public func reoptimize() throws(Errno) {
        guard files.series.hasAction else { throw .notSupported }
        guard allowsRequests else { throw .notPermitted }
        try ask { () throws(KernelError) in try files.reoptimize() }
    }

    /// The lines as the kernel printed them.
    public func showTable(from first: Int, into page: inout RecordPage) throws(Errno) {
        let kept = first == 0 ? nil : state.withLock { $0.reading }
        let reading: Reading
        if let kept, HostClock.monotonic &- kept.time < Self.patience { reading = kept } else { reading = try read() }
        for line in lines(from: first) {
            let wanted = try page.record { text throws(Errno) in text.append(Array(reading.table.text(ofLine: line))) }
            if !wanted { return }
        }
    }

    /// The lines that a fill of the buffer gets which starts with line `first`.
    private func lines(from first: Int) -> Range<Int> {
        let count = files.regions.count
        return RegionTable.lines(from: first, regions: 0..<count, hasEndLine: files.series.table.hasEndLine)
    }

    /// Nothing: the kernel does not tell when its table changes.
    public func renderedTable(from first: Int) throws(Errno) -> Rendering? { nil }

    /// Nothing, as for the table.
    public func renderedRegions(ofCPU cpu: Int) throws(Errno) -> Rendering? { nil }

    /// The regions of a CPU.
    /// - Throws: ``Errno/noSuchDevice`` for a CPU that is offline.
    public func showRegions(ofCPU cpu: Int, into text: inout TextBuffer) throws(Errno) {
        let reading = try read()
        guard reading.online.contains(cpu) else { throw .noSuchDevice }
        for (line, region) in files.regions.enumerated() {
            let status: CPURegions.Status =
                reading.table.cpus(ofLine: line).contains(cpu)
                ? .optimized : isBeyondWindow(line: line) ? .outside : .checked
            CPURegions.line(region: region, status, into: &text)
        }
    }

    /// Whether all cores have one window, and a line's region is beyond it. Where each core may have its own, which the
    /// files do not tell, no region is known to be.
    func isBeyondWindow(line: Int) -> Bool { files.series.hasOneWindow && line >= Self.windowSize }

    /// 2 TB in regions.
    private static let windowSize = 2048
}

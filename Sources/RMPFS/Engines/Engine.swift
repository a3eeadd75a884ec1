// SPDX-License-Identifier: Apache-2.0
// The interface between the files and whatever answers for the host: the simulated machine or the running kernel.

public import RMPModel

/// A text about the host as a whole, one file each under `debug/rmpopt/`.
public enum Report: String, Sendable, Hashable, CaseIterable {
    /// Why regions are not optimized.
    case blockers
    /// The last passes.
    case passes
    /// The running and the pending pass.
    case schedule
    /// The kernel's log lines.
    case log
    /// All of it, for Prometheus.
    case metrics
    /// What happened, an event a line.
    case events
    /// The version of the series, and what we chose where it leaves a choice.
    case series
}

/// A host as the files see it.
///
/// Each call first brings the host up to date, and answers from one moment. None waits for anything but other calls.
public protocol Engine: Sendable {
    /// The number of CPUs, each of which has a file.
    var cpuCount: Int { get }
    /// The version of the series: decides which of the kernel's files can exist, and where.
    var series: Series { get }
    /// The reports that this engine can give.
    var reports: [Report] { get }
    /// Writes a report.
    func show(_ report: Report, into text: inout TextBuffer) throws(Errno)
    /// The events that come, for `events_pipe`; nil where nothing says.
    var eventStream: (any StreamSource)? { get }
    /// Whether the kernel's `rmpopt-table` exists now.
    var hasDebugfsTable: Bool { get }
    /// The number of the existing table, which changes each time it is removed and made again. nil if there is no
    /// table.
    var debugfsTableNumber: Int? { get }
    /// Whether passes can be asked for. Never changes.
    var allowsRequests: Bool { get }
    /// Whether series v1's `action` and `description` exist. Never changes.
    var hasConfigfs: Bool { get }
    /// Whether the host can have RMPOPT at all, so that files about it make sense. Never changes.
    var hasRMPOPT: Bool { get }
    /// Whether series v1's `action` says `Yes`: set by a request, cleared at the end of every pass.
    func optimizationInProgress() throws(Errno) -> Bool
    /// Writes the text of series v1's `description`.
    func showDescription(into text: inout TextBuffer) throws(Errno)
    /// Whether the host can tell of passes at all. Never changes.
    var showsPasses: Bool { get }
    /// Whether what is shown is read from the host and kept for a while. Never changes.
    var canRefresh: Bool { get }
    /// Reads it anew.
    func refresh() throws(Errno)
    /// Whether it is being read.
    var isRefreshing: Bool { get }
    /// Whether a pass is running, whoever asked for it.
    func passIsRunning() throws(Errno) -> Bool
    /// Asks for a pass over all memory. A request while a requested pass is running is absorbed.
    func reoptimize() throws(Errno)
    /// Writes the lines of `rmpopt-table` from line `first` on, as many as `page` takes.
    func showDebugfsTable(from first: Int, into page: inout RecordPage) throws(Errno)
    /// All lines of `rmpopt-table`, if they are cached, for a reader who takes them from line `first` on.
    func renderedDebugfsTable(from first: Int) throws(Errno) -> Rendering?
    /// The text of `cpuN`, if it is cached.
    /// - Throws: as ``showRegions(ofCPU:into:)``.
    func renderedRegions(ofCPU cpu: Int) throws(Errno) -> Rendering?
    /// Writes the text of `cpuN`.
    /// - Throws: ``Errno/noSuchDevice`` for a CPU that is offline.
    func showRegions(ofCPU cpu: Int, into text: inout TextBuffer) throws(Errno)
}

extension Engine {
    /// Most do.
    public var showsPasses: Bool { true }
    /// Most answer from the present moment.
    public var canRefresh: Bool { false }
    /// Nothing is kept.
    public func refresh() throws(Errno) {}
    /// Nothing is kept.
    public var isRefreshing: Bool { false }
}

extension Engine {
    /// A real host does not tell when anything happens.
    public var eventStream: (any StreamSource)? { nil }
}

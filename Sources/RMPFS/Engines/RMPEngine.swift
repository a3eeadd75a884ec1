// SPDX-License-Identifier: Apache-2.0
// A host's RMP as an engine: what its entries tell, read again when it is asked for and has become old.

public import RMPImage
public import RMPModel
import Synchronization

/// Answers for a host of which only the RMP can be read: whose pages lie where, and which regions RMPOPT could
/// optimize. Whether a core has a region optimized, whether passes run, is not in an RMP: there are no files about it.
public final class RMPEngine: Engine {
    /// What is read, and how.
    public struct Source: Sendable {
        /// The RMP.
        public var rmp: ScannedRMP
        /// Where its bytes come from.
        public var memory: any PhysicalMemory
        /// The regions to read.
        public var regions: Range<Int>
        /// How much of it is read each time.
        public var depth: ScanDepth
        /// How many threads read.
        public var threads: Int
        /// The age in ns up to which what was read is told again.
        public var greatestAge: UInt64

        /// A source by its parts.
        public init(
            _ rmp: ScannedRMP,
            in memory: any PhysicalMemory,
            regions: Range<Int>,
            depth: ScanDepth,
            threads: Int,
            greatestAge: UInt64
        ) {
            (self.rmp, self.memory, self.regions) = (rmp, memory, regions)
            (self.depth, self.threads, self.greatestAge) = (depth, threads, greatestAge)
        }
    }

    /// A reading, and when it was made.
    struct Reading: Sendable {
        let survey: Survey
        /// When it began, on the monotonic clock.
        let start: UInt64
        /// How long it took, in ns.
        let duration: UInt64
        /// When it ended, in Unix time, in ns.
        let end: UInt64
    }

    private struct State: Sendable {
        var reading: Reading
        var lastLine = ""
        var isReading = false
    }

    private let source: Source
    private let state: Mutex<State>
    /// Held for a reading, so that those who wait get the same one.
    private let turn = Mutex(())
    private let describe: @Sendable (MemoryError) -> String
    private let log: @Sendable (String) -> Void

    /// Reads the RMP once.
    /// - Parameters:
    ///   - cpuCount: the number of CPUs, each of which has a file.
    ///   - describe: what an error of the memory means, for people.
    ///   - log: takes a line for each later error, on any thread; repeats of an error are not logged.
    /// - Throws: what keeps the RMP from being read.
    public init(
        _ source: Source,
        cpuCount: Int,
        describe: @escaping @Sendable (MemoryError) -> String,
        log: @escaping @Sendable (String) -> Void
    ) throws(MemoryError) {
        self.source = source
        self.cpuCount = cpuCount
        self.describe = describe
        self.log = log
        state = Mutex(State(reading: try Self.read(source)))
    }

    private static func read(_ source: Source) throws(MemoryError) -> Reading {
        let start = HostClock.monotonic
        let result = try source.rmp.scan(
            source.regions,
            in: source.memory,
            depth: source.depth,
            threads: source.threads
        )
        let survey = Survey(source.rmp, source.depth, result)
        return Reading(
            survey: survey,
            start: start,
            duration: HostClock.monotonic &- start,
            end: HostClock.unix
        )
    }

    // MARK: Readings

    /// What was read last if it is not too old, else what is read now.
    private func reading() throws(Errno) -> Reading {
        let now = HostClock.monotonic
        let kept = state.withLock { $0.reading }
        if now &- kept.start <= source.greatestAge { return kept }
        return try reading(from: now &- min(now, source.greatestAge))
    }

    /// A reading that began at a moment or later.
    private func reading(from moment: UInt64) throws(Errno) -> Reading {
        LongWork.announce()
        return try turn.withLock { _ throws(Errno) in
            // Somebody else may have read it while this one waited.
            let kept = state.withLock { $0.reading }
            if kept.start >= moment { return kept }
            state.withLock { $0.isReading = true }
            defer { state.withLock { $0.isReading = false } }
            do throws(MemoryError) {
                let reading = try Self.read(source)
                state.withLock { state in
                    state.reading = reading
                    state.lastLine = ""
                }
                return reading
            } catch {
                let line = describe(error)
                let isNew = state.withLock { state in
                    defer { state.lastLine = line }
                    return state.lastLine != line
                }
                if isNew { log(line) }
                throw .ioError
            }
        }
    }

    /// Reads it now, however young the last reading is.
    public func refresh() throws(Errno) { _ = try reading(from: HostClock.monotonic) }

    /// Whether it is being read.
    public var isRefreshing: Bool { state.withLock { $0.isReading } }

    // MARK: The files

    /// As it was given.
    public let cpuCount: Int
    /// That of Linux, which has no file about RMPOPT either; which one the host runs is not in the RMP.
    public var series: Series { .merged }
    /// What the entries tell.
    public var reports: [Report] { [.blockers, .metrics] }
    /// There is none.
    public var hasDebugfsTable: Bool { false }
    /// There is none.
    public var debugfsTableNumber: Int? { nil }
    /// The memory is only read.
    public var allowsRequests: Bool { false }
    /// There is none.
    public var hasConfigfs: Bool { false }
    /// There are files about regions.
    public var hasRMPOPT: Bool { true }
    /// An RMP does not tell.
    public var showsPasses: Bool { false }
    /// It is read again when it is asked for.
    public var canRefresh: Bool { true }

    /// Writes what the entries tell.
    public func show(_ report: Report, into text: inout TextBuffer) throws(Errno) {
        switch report {
        case .blockers: RMPReports.blockers(try reading().survey, into: &text)
        case .metrics: RMPReports.metrics(try reading(), into: &text)
        default: throw .notSupported
        }
    }

    /// Whether each region is `free` or `held`: the same for all CPUs.
    public func showRegions(ofCPU cpu: Int, into text: inout TextBuffer) throws(Errno) {
        for tally in try reading().survey.regions {
            CPURegions.line(region: tally.region, tally.isOptimizable ? .free : .held, into: &text)
        }
    }

    /// Not in an RMP.
    public func optimizationInProgress() throws(Errno) -> Bool { throw .notSupported }
    /// Not in an RMP.
    public func showDescription(into text: inout TextBuffer) throws(Errno) { throw .notSupported }
    /// Not in an RMP.
    public func passIsRunning() throws(Errno) -> Bool { throw .notSupported }
    /// Nothing is written.
    public func reoptimize() throws(Errno) { throw Errno(.readOnly) }
    /// There is none.
    public func showDebugfsTable(from first: Int, into page: inout RecordPage) throws(Errno) { throw .notSupported }
    /// Nothing is kept as text.
    public func renderedDebugfsTable(from first: Int) throws(Errno) -> Rendering? { nil }
    /// Nothing is kept as text.
    public func renderedRegions(ofCPU cpu: Int) throws(Errno) -> Rendering? { nil }
}

// SPDX-License-Identifier: Apache-2.0
// The seam between the files and whoever answers for the host: a simulated machine, or another one later.

/// A host as the interface's files see it.
///
/// Each call brings the host up to date first and answers from one moment. None waits for anything but other calls.
public protocol Engine: Sendable {
    /// The number of CPUs, each of which has a file.
    var cpuCount: Int { get }
    /// Whether series v1's `action` says `Yes`: set by a request, cleared at the end of every pass.
    func optimizationInProgress() throws(Errno) -> Bool
    /// Whether a pass is running, whoever asked for it.
    func passIsRunning() throws(Errno) -> Bool
    /// Asks for a pass over all memory. A request during one that was asked for is absorbed.
    func reoptimize() throws(Errno)
    /// Writes the lines of `rmpopt-table` from line `first` on, as many as `page` takes.
    func showTable(from first: Int, into page: inout RecordPage) throws(Errno)
    /// All lines of `rmpopt-table`, if they are at hand.
    func renderedTable() throws(Errno) -> Rendering?
    /// The text of `cpuN`, if it is at hand.
    /// - Throws: as ``showRegions(ofCPU:into:)``.
    func renderedRegions(ofCPU cpu: Int) throws(Errno) -> Rendering?
    /// Writes the text of `cpuN`.
    /// - Throws: ``Errno/noSuchDevice`` for a CPU that is offline.
    func showRegions(ofCPU cpu: Int, into text: inout TextBuffer) throws(Errno)
}

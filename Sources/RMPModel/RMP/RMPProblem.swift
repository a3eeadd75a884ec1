// SPDX-License-Identifier: Apache-2.0
// Why a kernel does not enable SNP because of where the BIOS has put the RMP; the kernel's log has the wording.

/// Something about the RMP's place that keeps Linux from enabling SNP.
///
/// Source: Linux arch/x86/virt/svm/sev.c, `snp_probe_rmptable_info()`, `setup_contiguous_rmptable()`,
/// `setup_segmented_rmptable()`.
public enum RMPProblem: Sendable, Hashable {
    /// RMP_BASE is 0.
    case notReserved
    /// RMP_CFG says segmented, but CPUID does not (a choice: the register does not exist then).
    case segmentsUnsupported
    /// The segment size is outside the limits that CPUID reports.
    case shiftOutOfBounds(shift: UInt8, limits: ClosedRange<UInt8>)
    /// The last segment that begins in RAM ends before RAM does; both ends as addresses in bytes.
    case doesNotCoverRAM(expected: UInt64, got: UInt64)
    /// The contiguous table is too short for RAM; sizes in bytes, including bookkeeping.
    case rmpTooSmall(expected: UInt64, got: UInt64)
}

extension RMPLayout {
    /// How many entries of the RST the processor and the kernel look at: with NumSegReduction, as many as are cached
    /// (`rst_max_index`). Entries after them are not read, and the log does not say so.
    static func rstLimit(_ processor: Processor) -> Int {
        processor.segmentReduction ? min(max(processor.cachedSegments, 0), RSTEntry.limit) : RSTEntry.limit
    }

    /// What ends the probe of a segmented RMP before Linux looks at memory.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c, `probe_segmented_rmptable_info()`.
    func probeProblem(with processor: Processor) -> RMPProblem? {
        if rmpBase == 0 { return .notReserved }
        if !processor.segmentedRMP { return .segmentsUnsupported }
        return processor.segmentShifts.contains(shift)
            ? nil : .shiftOutOfBounds(shift: shift, limits: processor.segmentShifts)
    }

    /// What keeps a kernel on this processor with this memory from enabling SNP, in the order in which Linux checks;
    /// empty if nothing does. Linux stops at the first problem. It compares ends only: it does not notice memory
    /// between two segments that neither covers, and such memory stays hypervisor-owned. A segment that begins after
    /// RAM is for MMIO and covers no RAM. A contiguous table must also cover itself.
    public func problems(with processor: Processor, memory: MemoryMap) -> [RMPProblem] {
        if rmpBase == 0 { return [.notReserved] }
        let end = memory.end.rawValue
        guard isSegmented else {
            let pages = max(end, rmpEnd + 1) / Granularity.page
            let expected = pages * RMPLayout.entryBytes + RMPLayout.bookkeepingBytes
            let got = rmpEnd - rmpBase + 1
            return got < expected ? [.rmpTooSmall(expected: expected, got: got)] : []
        }
        var problems: [RMPProblem] = []
        if !processor.segmentedRMP { problems.append(.segmentsUnsupported) }
        if !processor.segmentShifts.contains(shift) {
            problems.append(.shiftOutOfBounds(shift: shift, limits: processor.segmentShifts))
        }
        let count = RMPLayout.rstLimit(processor)
        let got = segments.last { $0.index < count && $0.covered.lowerBound < end }?.covered.upperBound ?? 0
        if got < end { problems.append(.doesNotCoverRAM(expected: end, got: got)) }
        return problems
    }
}

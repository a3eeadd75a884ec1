// SPDX-License-Identifier: Apache-2.0
// Why a kernel would do without SNP because of where the BIOS has put the RMP; the wording belongs to the kernel's log.

/// Something about the RMP's place that keeps Linux from enabling SNP.
///
/// Source: Linux arch/x86/virt/svm/sev.c, `snp_probe_rmptable_info()`, `setup_contiguous_rmptable()`,
/// `setup_segmented_rmptable()`.
public enum RMPProblem: Sendable, Hashable {
    /// RMP_BASE is 0.
    case notReserved
    /// RMP_CFG says segmented, CPUID does not (a choice: the register does not exist then).
    case segmentsUnsupported
    /// The segment size is outside of what CPUID tells.
    case shiftOutOfBounds(shift: UInt8, limits: ClosedRange<UInt8>)
    /// The last segment that begins in RAM ends before RAM does; addresses of the ends in bytes.
    case doesNotCoverRAM(expected: UInt64, got: UInt64)
    /// The contiguous table is too short for RAM; sizes in bytes with bookkeeping.
    case tableTooSmall(expected: UInt64, got: UInt64)
}

extension RMPLayout {
    /// How many entries of the RST processor and kernel look at: with NumSegReduction as many as are cached
    /// (`rst_max_index`). What stands behind them is not read, and no line says so.
    static func rstLimit(_ processor: Processor) -> Int {
        processor.segmentReduction ? min(max(processor.cachedSegments, 0), RSTEntry.limit) : RSTEntry.limit
    }

    /// What ends the probe of a segmented RMP, before memory is looked at.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c, `probe_segmented_rmptable_info()`.
    func probeProblem(with processor: Processor) -> RMPProblem? {
        if rmpBase == 0 { return .notReserved }
        if !processor.segmentedRMP { return .segmentsUnsupported }
        return processor.segmentShifts.contains(shift)
            ? nil : .shiftOutOfBounds(shift: shift, limits: processor.segmentShifts)
    }

    /// What keeps a kernel on this processor with this memory from enabling SNP, in the order in which Linux looks;
    /// empty when nothing does. Linux stops at the first. It compares ends only: memory between two segments that
    /// neither covers goes unnoticed, and stays hypervisor-owned. A segment that begins behind RAM is there for MMIO
    /// and covers none of it. A contiguous table must cover itself as well.
    public func problems(with processor: Processor, memory: MemoryMap) -> [RMPProblem] {
        if rmpBase == 0 { return [.notReserved] }
        let end = memory.end.rawValue
        guard isSegmented else {
            let pages = max(end, rmpEnd + 1) / Granularity.page
            let expected = pages * RMPLayout.entryBytes + RMPLayout.bookkeepingBytes
            let got = rmpEnd - rmpBase + 1
            return got < expected ? [.tableTooSmall(expected: expected, got: got)] : []
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

// SPDX-License-Identifier: Apache-2.0
// What the kernel finds when it probes the RMP at boot: its lines in the log, and the reasons to do without SNP.

extension Machine {
    /// Why the kernel does not enable SNP with the RMP where it is; empty if there is no reason.
    var rmpProblems: [RMPProblem] {
        configuration.rmp.problems(with: configuration.processor, memory: configuration.memory)
    }

    /// The lines that the kernel prints about the RMP, up to the first problem, at which it stops.
    ///
    /// The probe prints the location of the RMP early at boot, and so before any problem that set-up finds with it.
    /// What the probe itself refuses is printed alone.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c: `probe_contiguous_rmptable_info()`, `probe_segmented_rmptable_info()`,
    /// then `setup_contiguous_rmptable()`, `setup_segmented_rmptable()`, whose loop ends at `rst_max_index`.
    var rmpMessages: [KernelMessage] {
        let layout = configuration.rmp
        let first = rmpProblems.first
        let problem = first.map(KernelMessage.init)
        switch first {
        case .notReserved, .segmentsUnsupported, .shiftOutOfBounds: return problem.map { [$0] } ?? []
        case .doesNotCoverRAM, .rmpTooSmall, nil: break
        }
        var messages: [KernelMessage] = []
        guard layout.isSegmented else {
            messages.append(.contiguousRMP(layout.rmpBase..<(layout.rmpEnd &+ 1)))
            if let problem { messages.append(problem) }
            return messages
        }
        messages.append(.rst(layout.head))
        messages.append(.segmentSize(gigabytes: (1 << UInt64(layout.shift)) >> 30))
        for segment in layout.segments where segment.index < RMPLayout.rstLimit(configuration.processor) {
            if segment.isClipped {
                let covered = segment.covered.upperBound - segment.covered.lowerBound
                messages.append(.segmentReduced(index: segment.index, stated: segment.statedBytes, covered: covered))
            }
            messages.append(.segment(index: segment.index, table: segment.table, covered: segment.covered))
        }
        if let problem { messages.append(problem) }
        return messages
    }
}

extension KernelMessage {
    /// The line about a problem with the RMP's location.
    init(_ problem: RMPProblem) {
        self =
            switch problem {
            case .notReserved, .segmentsUnsupported: .notReserved
            case .shiftOutOfBounds(let shift, let limits): .segmentShift(UInt64(shift), limits: limits)
            case .doesNotCoverRAM(let expected, let got): .notCovered(expected: expected, got: got)
            case .rmpTooSmall(let expected, let got): .rmpTooSmall(expected: expected, got: got)
            }
    }
}

// SPDX-License-Identifier: Apache-2.0
// What the kernel finds when it looks for the RMP at boot: its lines in the log, and the reasons to do without SNP.

extension Machine {
    /// Why the kernel does not enable SNP with the RMP where it is; nil when nothing speaks against it.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c, `setup_segmented_rmptable()`.
    var tableProblem: KernelMessage? {
        nil
    }

    /// The lines that the kernel writes about the RMP.
    var tableMessages: [KernelMessage] {
        let layout = firmware.layout
        var messages: [KernelMessage] = [.segmentTable(layout.head), .segmentSize(gigabytes: 1 << (RMPLayout.segmentShift - 30))]
        for (index, segment) in layout.segments.enumerated() {
            messages.append(.segment(index: index, table: segment.table, covered: segment.covered))
        }
        return messages
    }
}

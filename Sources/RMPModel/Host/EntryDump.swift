// SPDX-License-Identifier: Apache-2.0
// What the kernel prints when a page cannot be reclaimed: the refused RMPUPDATE, the entry behind it, KVM's warning,
// and the pages that it gives up.

/// A line of `dump_rmpentry()`.
///
/// Source: Linux arch/x86/virt/svm/sev.c, `dump_rmpentry()`: an assigned page takes one line; any other page takes one
/// line, then all nonzero entries of its 2 MB.
enum EntryDumpLine: Sendable, Hashable {
    /// RMPREAD failed, or, without RMPREAD, the kernel found no entry.
    case unreadable(pfn: UInt64, error: Int)
    case assigned(pfn: UInt64, RawRMPEntry)
    case unassigned(pfn: UInt64, chunk: Range<UInt64>)
    case nonZero(pfn: UInt64, RawRMPEntry)

    var level: LogLevel {
        if case .unreadable = self { .error } else { .info }
    }

    /// The text with its prefix.
    var text: String {
        switch self {
        case .unreadable(let pfn, let error):
            "SEV-SNP: Failed to read RMP entry for PFN 0x\(hex(pfn)), error \(error)"
        case .assigned(let pfn, let entry):
            "SEV-SNP: PFN 0x\(hex(pfn)), RMP entry: [0x\(hex16(entry.low)) - 0x\(hex16(entry.high))]"
        case .unassigned(let pfn, let chunk):
            "SEV-SNP: PFN 0x\(hex(pfn)) unassigned, dumping non-zero entries in 2M PFN region: "
                + "[0x\(hex(chunk.lowerBound)) - 0x\(hex(chunk.upperBound))]"
        case .nonZero(let pfn, let entry):
            "SEV-SNP: PFN: 0x\(hex(pfn)), [0x\(hex16(entry.low)) - 0x\(hex16(entry.high))]"
        }
    }
}

/// A line of `dump_stack()` that is the same on every host. The other lines name a CPU, a process, a kernel build and
/// the addresses of its functions, which a model does not have: they are left out.
///
/// Source: Linux lib/dump_stack.c; arch/x86/kernel/dumpstack.c, `show_trace_log_lvl()`.
enum StackDumpLine: Sendable, Hashable, CaseIterable {
    case callTrace
    case taskBegins
    case taskEnds

    var text: String {
        switch self {
        case .callTrace: "Call Trace:"
        case .taskBegins: " <TASK>"
        case .taskEnds: " </TASK>"
        }
    }
}

/// A failed RMPUPDATE of the kernel's own, and the entry found at that time.
struct RefusedUpdate: Sendable, Hashable {
    let pfn: UInt64
    let input: RMPUpdateInput
    let code: RMPCode
    let dump: [EntryDumpLine]

    /// PG_LEVEL_4K or PG_LEVEL_2M.
    var level: Int { input.pageSize == .size2M ? 2 : 1 }
}

extension RMP {
    /// The 16 bytes of a page's entry in raw form; the page must have one.
    func raw(_ pfn: UInt64) -> RawRMPEntry {
        let word = entry(chunk: Int(truncatingIfNeeded: pfn >> 9), index: Int(truncatingIfNeeded: pfn & 511))
        return RawRMPEntry(RMPEntry(rawLow: word.bits), subpageCount: subpageCount(pfn))
    }

    /// The kernel's dump of an entry. Without RMPREAD the kernel looks it up itself, and reports another error.
    func dump(_ pfn: UInt64, hasRMPREAD: Bool) -> [EntryDumpLine] {
        guard covers(pfn) else {
            return [.unreadable(pfn: pfn, error: hasRMPREAD ? Int(RMPCode.failInput.rawValue) : -14)]
        }
        if entry(chunk: Int(pfn >> 9), index: Int(pfn & 511)).isAssigned { return [.assigned(pfn: pfn, raw(pfn))] }
        let first = pfn & ~511
        var lines = [EntryDumpLine.unassigned(pfn: pfn, chunk: first..<(first + 512))]
        for other in first..<(first + 512) {
            let entry = raw(other)
            if entry.low != 0 || entry.high != 0 { lines.append(.nonZero(pfn: other, entry)) }
        }
        return lines
    }
}

extension Machine {
    /// The lines of a failed RMPUPDATE: `rmpupdate()` prints its own, the entry's and the stack's.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c, `rmpupdate()`.
    mutating func noteRefused(_ update: RefusedUpdate) {
        say(.rmpupdateFailed(pfn: update.pfn, level: update.level, code: update.code.rawValue))
        for line in update.dump { say(.entry(line)) }
        for line in StackDumpLine.allCases { say(.stackDump(line)) }
    }

    /// The lines about all updates by the kernel's own work that have failed since the last call, each followed by what
    /// its caller prints.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c: `sev_gmem_invalidate()` warns of guest memory once and continues, without
    /// adding any of its pages to the list of leaked ones; `sev_gmem_prepare()` reports each page that it cannot make
    /// private; `kvm_rmp_make_shared()` leaks a VMSA page. drivers/crypto/ccp/sev-dev.c, `snp_reclaim_pages()`, leaks a
    /// page that firmware had.
    mutating func noteRefusals() {
        for update in platform.takeRefusals() {
            noteRefused(update)
            if update.input.assigned {
                if update.input.immutable { continue }
                say(.privateFaultFailed(gpa: update.input.gpa, pfn: update.pfn, level: update.level))
            } else if guests.leaked.overlaps(update.pfn..<(update.pfn + 1)) {
                noteLeak(update.pfn..<(update.pfn + 1))
            } else {
                warnOnce(.guestPage, .guestPageRefused(pfn: update.pfn))
            }
        }
    }

    /// The lines of `snp_leak_pages()`: one about the pages, then the entry of each. Lines that would be dropped from
    /// the log again before it ends are not made.
    mutating func noteLeak(_ pages: Range<UInt64>) {
        platform.events.publish(.pagesLeaked(Range(raw: pages)))
        say(.leaking(pages: pages))
        for pfn in pages.dropFirst(KernelLog.lost(of: pages.count)) {
            for line in platform.rmp.dump(pfn, hasRMPREAD: configuration.processor.rmpread) { say(.entry(line)) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// What the kernel prints: every line of the series and of the code around it, with its level.

/// A line that the kernel can print.
///
/// Source: series v1 to v10, all patches (the row of a version in `Series` says which of them it has); Linux
/// arch/x86/virt/svm/sev.c, arch/x86/kvm/svm/sev.c and drivers/crypto/ccp/sev-dev.c (the others). For a warning with a
/// stack (WARN_ONCE) only the message is shown.
enum KernelMessage: Sendable, Hashable {
    // The series.
    case passBegins(Range<UInt64>)
    case threadCreated(pid: Int)
    case segmentedRequired
    case notSupported
    case snpNotEnabled
    case terabytes(Int)
    case socket(pages: Range<UInt64>, cpus: CPUSet)
    case window(node: Int, cpus: CPUSet, base: UInt64)
    case enabledAtBoot
    case coverageLimited(end: UInt64)
    case folderExists
    case noThread
    case noSubsystem(error: Int, name: String)
    case decommissionFailed
    case noWorkqueue
    case noCPUMask
    case passSkipped
    // The kernel under it.
    case contiguousRMP(Range<UInt64>)
    case rst(Range<UInt64>)
    case segmentSize(gigabytes: UInt64)
    case segment(index: Int, table: Range<UInt64>, covered: Range<UInt64>)
    case segmentReduced(index: Int, stated: UInt64, covered: UInt64)
    case segmentShift(UInt64, limits: ClosedRange<UInt8>)
    case notReserved
    case notCovered(expected: UInt64, got: UInt64)
    case rmpTooSmall(expected: UInt64, got: UInt64)
    case notAllOnline(online: CPUSet, present: CPUSet)
    case initCommandFailed(rc: Int, error: UInt64)
    case uncheckedMSR(number: UInt32, value: UInt64)
    case hogged(times: UInt64)
    case leaking(pages: Range<UInt64>)
    case rmpupdateFailed(pfn: UInt64, level: Int, code: UInt32)
    case entry(EntryDumpLine)
    case stackDump(StackDumpLine)
    case guestPageRefused(pfn: UInt64)
    case privateFaultFailed(gpa: GPA, pfn: UInt64, level: Int)
    case invalidOpcode(number: Int, cpu: Int)

    /// The level in a version; nil if that version does not print it.
    func level(in series: Series) -> LogLevel? {
        switch self {
        case .threadCreated: series.messages[.threadCreated]
        case .enabledAtBoot: series.messages[.enabledAtBoot]
        case .folderExists: series.messages[.folderExists]
        case .initCommandFailed: series.messages[.initCommandFailed]
        case .segmentedRequired: series.messages[.segmentedRequired]
        case .notSupported: series.messages[.notSupported]
        case .snpNotEnabled: series.messages[.snpNotEnabled]
        case .terabytes, .socket, .window: series.messages[.windows]
        case .coverageLimited: series.messages[.coverageLimited]
        case .noThread: series.messages[.noThread]
        case .noSubsystem: series.messages[.noSubsystem]
        case .noWorkqueue: series.messages[.noWorkqueue]
        case .noCPUMask: series.messages[.noCPUMask]
        case .passSkipped: series.messages[.passSkipped]
        case .passBegins where series.announcement == nil: nil
        case .passBegins, .contiguousRMP, .rst, .segmentSize, .segment, .segmentReduced: .info
        case .notAllOnline, .leaking, .decommissionFailed, .invalidOpcode, .uncheckedMSR, .hogged: .warning
        case .segmentShift, .notReserved, .notCovered, .rmpTooSmall, .rmpupdateFailed, .privateFaultFailed:
            .error
        case .entry(let line): line.level
        case .stackDump, .guestPageRefused: .warning
        }
    }

    /// The text with its prefix.
    func text(in series: Series) -> String {
        switch self {
        case .passBegins(let range):
            "SEV-SNP: \(series.announcement ?? "") on physical address range @1GB alignment "
                + "[0x\(hex16(range.lowerBound)) - 0x\(hex16(range.upperBound))]"
        case .threadCreated(let pid): "SEV-SNP: RMPOPT worker thread created with PID \(pid)"
        case .segmentedRequired: "SEV-SNP: RMPOPT optimizations not enabled, segmented RMP required"
        case .notSupported: "SEV-SNP: RMPOPT not supported on this platform"
        case .snpNotEnabled: "SEV-SNP: RMPOPT optimizations not enabled as SNP support is not enabled"
        case .terabytes(let number): "SEV-SNP: NUM_TB pages in system \(number)"
        case .socket(let pages, let cpus):
            "SEV-SNP: socket start_pfn 0x\(hex(pages.lowerBound)), end_pfn 0x\(hex(pages.upperBound)), "
                + "socket cpu mask \(list(cpus))"
        case .window(let node, let cpus, let base):
            "SEV-SNP: RMPOPT_BASE MSR on nodeid \(node) cpu mask \(list(cpus)) set to 0x\(hex(base))"
        case .coverageLimited(let end):
            "SEV-SNP: RMPOPT coverage limited to 2TB; memory above 0x\(hex(end)) not optimized"
        case .enabledAtBoot: "SEV-SNP: RMPOPT optimizations enabled"
        case .folderExists: "debugfs: 'rmpopt' already exists in 'x86'"
        case .noThread: "SEV-SNP: Unable to start RMPOPT kernel thread"
        case .noSubsystem(let error, let name): "SEV-SNP: Error -\(error) while registering subsystem \(name)"
        case .noWorkqueue: "SEV-SNP: Failed to allocate RMPOPT workqueue"
        case .noCPUMask: "SEV-SNP: Failed to allocate RMPOPT cpumask"
        case .passSkipped: "SEV-SNP: RMP optimization pass skipped: cpumask allocation failed"
        case .contiguousRMP(let range):
            "SEV-SNP: RMP table physical range [0x\(hex16(range.lowerBound)) - 0x\(hex16(range.upperBound &- 1))]"
        case .rst(let range):
            // Unlike the other lines, this one prints the end of the range, not its last byte.
            "SEV-SNP: Segmented RMP base table physical range [0x\(hex16(range.lowerBound)) - "
                + "0x\(hex16(range.upperBound))]"
        case .segmentSize(let gigabytes): "SEV-SNP: Segmented RMP using \(gigabytes)GB segments"
        case .segment(let index, let table, let covered):
            "SEV-SNP: RMP segment \(index) physical address [0x\(hex(table.lowerBound)) - "
                + "0x\(hex(table.upperBound &- 1))]"
                + " covering [0x\(hex(covered.lowerBound)) - 0x\(hex(covered.upperBound &- 1))]"
        case .segmentReduced(let index, let stated, let covered):
            "SEV-SNP: RMP segment \(index) mapped size (0x\(hex(stated))) reduced to 0x\(hex(covered))"
        case .segmentShift(let shift, let limits):
            "SEV-SNP: RMP segment size (\(shift)) is not within advertised bounds (min=\(limits.lowerBound), "
                + "max=\(limits.upperBound))"
        case .notReserved: "SEV-SNP: Memory for the RMP table has not been reserved by BIOS"
        case .rmpTooSmall(let expected, let got):
            "SEV-SNP: Memory reserved for the RMP table does not cover full system RAM "
                + "(expected 0x\(hex(expected)) got 0x\(hex(got)))"
        case .notCovered(let expected, let got):
            "SEV-SNP: Segmented RMP does not cover full system RAM (expected 0x\(hex(expected)) got 0x\(hex(got)))"
        case .notAllOnline(let online, let present):
            "SEV-SNP: SNP init failed: not all CPUs online. (\(list(online)) online <-> "
                + "\(list(present)) present masks)."
        case .initCommandFailed(let rc, let error):
            "ccp 0000:01:00.5: SEV-SNP: SNP_INIT_EX failed rc -\(rc), error 0x\(hex(error))"
        case .uncheckedMSR(let number, let value):
            "unchecked MSR access error: WRMSR to 0x\(hex(UInt64(number))) (tried to write 0x\(hex16(value))) "
                + "at rIP: 0xffffffff81000000 (__wrmsr_on_cpu+0x2e/0x40)"
        case .hogged(let times):
            "workqueue: do_rmpopt_work hogged CPU for >10000us \(times) times, consider switching to WQ_UNBOUND"
        case .decommissionFailed: "Failed to release guest context, ret -5"
        case .leaking(let pages):
            "SEV-SNP: Leaking PFN range 0x\(hex(pages.lowerBound))-0x\(hex(pages.upperBound))"
        case .rmpupdateFailed(let pfn, let level, let code):
            "SEV-SNP: RMPUPDATE failed for PFN \(hex(pfn)), pg_level: \(level), ret: \(code)"
        case .entry(let line): line.text
        case .stackDump(let line): line.text
        case .privateFaultFailed(let gpa, let pfn, let level):
            "kvm_amd: SEV: Failed to update RMP entry: GFN \(hex(gpa.rawValue >> 12)) PFN \(hex(pfn)) "
                + "level \(level) error -14"
        case .guestPageRefused(let pfn): "SEV: Failed to update RMP entry for PFN 0x\(hex(pfn)) error -14"
        case .invalidOpcode(let number, _): "Oops: invalid opcode: 0000 [#\(number)] SMP NOPTI"
        }
    }
}

/// Lower-case hexadecimal without leading zeros, as `%llx`.
func hex(_ value: UInt64) -> String { String(value, radix: 16) }

/// The same in 16 digits, as `%016llx`.
func hex16(_ value: UInt64) -> String {
    let digits = hex(value)
    return String(repeating: "0", count: max(16 - digits.utf8.count, 0)) + digits
}

private func list(_ cpus: CPUSet) -> String { String(decoding: CPUList.format(cpus), as: UTF8.self) }

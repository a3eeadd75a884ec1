// SPDX-License-Identifier: Apache-2.0
// Everything that can be wrong with a running kernel's files, each with its text and its remedy.

import RMPModel

/// Why the running kernel's interface cannot be shown.
public enum KernelError: Error, Hashable, Sendable {
    /// There is no table.
    case nothing(config: String, debug: String)
    /// The files fit no version of the series.
    case unknownVersion(path: String, String)
    /// A table of series v1 without the file in configfs.
    case noAction(path: String, Errno)
    /// A file cannot be read.
    case unreadable(path: String, Errno)
    /// A request for a pass was refused.
    case refused(path: String, Errno)
    /// A file has text that the kernel cannot have printed.
    case unknownText(path: String, String)
    /// A list of CPUs cannot be read.
    case noCPUList(path: String, Errno)
    /// A table names a CPU that is missing from `online`.
    case otherCPUs(path: String, String, online: String)
    /// No two readings of a table were the same.
    case changed(path: String, line: Int, text: String)
    /// Passes cannot be asked for.
    case noRequests(versions: String)
    /// The mount would cover the files that it reads.
    case covered(path: String, root: String)
}

extension KernelError: CustomStringConvertible {
    /// The versions that have no file, in words.
    private static let withoutFiles =
        Series.all.filter { $0.debugfsTable == nil }.map(\.name)
        .joined(separator: ", ")

    /// Which driver the running kernel has, if any: a whole sentence.
    private static var driver: String {
        let found = KernelSymbols.ofRunningKernel()
        if found.isEmpty { return "" }
        let isSilent = found.allSatisfy { $0.debugfsTable == nil }
        return ". This kernel has the driver of \(KernelSymbols.words(found))"
            + (isSilent ? ", which shows nothing; the kernel module rmpopt shows its table (docs/module.md)" : "")
    }

    private static let cpuRoot =
        "--cpu-root is the folder with online and possible of the host whose files are shown; a mount of rmpfs has it "
        + "at rmpsim/cpus"

    /// What is wrong, and how to fix it.
    public var description: String {
        switch self {
        case .nothing(let config, let debug):
            "\(debug)/rmpopt/rmpopt-table, \(debug)/x86/rmpopt/rmpopt-table: neither exists. The kernel needs series "
                + "v1 to v8 (\(KernelError.withoutFiles) show nothing), SNP and a segmented RMP; are \(config) and "
                + "\(debug) mounted? mount -t debugfs none \(debug)\(KernelError.driver)"
        case .unknownVersion(let path, let reason):
            "\(path): not of a version of the series that rmpfs knows: \(reason)"
        case .noAction(let path, let error):
            "\(path): \(error). A table at this place is that of series v1, which also has this file. Mount configfs: "
                + "mount -t configfs none /sys/kernel/config"
        case .unreadable(let path, let error):
            "\(path): \(error)"
                + (error == .accessDenied ? ". Root can read it; mount as root, for others with uid=, gid=, mode=" : "")
        case .refused(let path, let error):
            "\(path): \(error), when 1 was written to it"
        case .unknownText(let path, let reason):
            "\(path): \(reason)"
        case .noCPUList(let path, let error):
            "\(path): \(error). \(KernelError.cpuRoot)"
        case .otherCPUs(let path, let reason, let online):
            "\(path): \(reason), says \(online). \(KernelError.cpuRoot)"
        case .changed(let path, let line, let text):
            "\(path): line \(line) '\(text)': changed while it was read; a pass may be running. Read again"
        case .noRequests(let versions):
            "--allow-reenable: series \(versions) has no file that asks for a pass. Leave it out"
        case .covered(let path, let root):
            "\(path): a mount here would cover \(root), whose files it shows. Mount it elsewhere"
        }
    }
}

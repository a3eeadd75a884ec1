// SPDX-License-Identifier: Apache-2.0
// Which version of the RMPOPT series the running kernel has, told by the files that are there.

import Glibc
import RMPModel

/// What distinguishes versions of the series, for who only sees their files.
///
/// Source: the debugfs and configfs patches of v1 to v8; v9 and v10 have no file.
struct KernelSeries: Sendable, Hashable {
    /// Which versions, in words.
    let versions: String
    /// The first of them.
    let first: Series
    /// Where the table is below debugfs' root.
    let table: String
    /// The table's permission bits.
    let mode: UInt32
    /// Whether the table can be read from an offset; nil: it does not matter.
    let isSeekable: Bool?
    /// Whether the table has a line more than there are regions, for the address equal to the end of memory.
    let hasEndLine: Bool
    /// Whether configfs has `rmpopt/action` and `rmpopt/description`.
    let hasAction: Bool
    /// Whether all cores have one window, which begins at the start of memory.
    let hasOneWindow: Bool

    /// All that can be told apart.
    static let all: [KernelSeries] = [
        KernelSeries(
            versions: "v1",
            first: .v1,
            table: "rmpopt/rmpopt-table",
            mode: 0o444,
            isSeekable: nil,
            hasEndLine: true,
            hasAction: true,
            hasOneWindow: false
        ),
        KernelSeries(
            versions: "v2 to v4",
            first: .v2,
            table: "x86/rmpopt/rmpopt-table",
            mode: 0o444,
            isSeekable: true,
            hasEndLine: true,
            hasAction: false,
            hasOneWindow: true
        ),
        // v5 gave its table no llseek method.
        KernelSeries(
            versions: "v5",
            first: .v5,
            table: "x86/rmpopt/rmpopt-table",
            mode: 0o444,
            isSeekable: false,
            hasEndLine: false,
            hasAction: false,
            hasOneWindow: true
        ),
        KernelSeries(
            versions: "v6 to v8",
            first: .v6,
            table: "x86/rmpopt/rmpopt-table",
            mode: 0o400,
            isSeekable: nil,
            hasEndLine: false,
            hasAction: false,
            hasOneWindow: true
        ),
    ]

    /// Finds the version by its files.
    /// - Parameters:
    ///   - config: where configfs is.
    ///   - debug: where debugfs is.
    static func find(config: String, debug: String) throws(KernelError) -> KernelSeries {
        var found: [String] = []
        for table in Set(all.map(\.table)).sorted() {
            let path = "\(debug)/\(table)"
            var status = stat()
            if stat(path, &status) == 0 {
                found.append(table)
            } else if errno != ENOENT && errno != ENOTDIR {
                throw .unreadable(path: path, .current)
            }
        }
        guard let table = found.first else { throw .nothing(config: config, debug: debug) }
        let path = "\(debug)/\(table)"
        if found.count > 1 { throw .unknownVersion(path: path, "there are two tables, also \(debug)/\(found[1])") }
        let (mode, isSeekable) = try look(at: path)
        let candidates = all.filter { $0.table == table }
        guard
            let series = candidates.first(where: {
                $0.mode == mode && ($0.isSeekable == nil || $0.isSeekable == isSeekable)
            })
        else { throw .unknownVersion(path: path, "no version gives it the mode 0\(String(mode, radix: 8))") }
        let action = "\(config)/rmpopt/action"
        if series.hasAction && access(action, F_OK) != 0 { throw .noAction(path: action, .current) }
        return series
    }

    private static func look(at path: String) throws(KernelError) -> (mode: UInt32, isSeekable: Bool) {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .unreadable(path: path, .current) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .unreadable(path: path, .current) }
        return (status.st_mode & 0o7777, lseek(file, 0, SEEK_CUR) >= 0)
    }
}

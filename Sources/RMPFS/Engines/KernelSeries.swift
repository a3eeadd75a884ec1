// SPDX-License-Identifier: Apache-2.0
// Which version of the RMPOPT series the running kernel has, judging by the files that exist.

import Glibc
import RMPModel

/// Versions of the series that cannot be told apart by their files: neighbours in ``Series/all`` with the same table,
/// configfs and window. v9, v10 and the merged form have no files; our kernel module (module/ in the sources) gives
/// them those of v1.
struct KernelSeries: Sendable, Hashable {
    /// The first of them.
    let first: Series
    /// The last of them.
    private(set) var last: Series
    /// The table, as each of them has it.
    let debugfsTable: DebugfsTable
    /// Whether the files are those of our module.
    private(set) var isModule = false

    /// All groups that can be told apart.
    static let all: [KernelSeries] = Series.all.reduce(into: []) { found, series in
        guard let table = series.debugfsTable else { return }
        if let end = found.indices.last, found[end].looks(like: series) {
            found[end].last = series
        } else {
            found.append(KernelSeries(first: series, last: series, debugfsTable: table))
        }
    }

    /// Which versions, in words.
    var versions: String {
        if isModule { return "v1, by the module rmpopt" }
        return first == last ? first.name : "\(first.name) to \(last.name)"
    }

    /// Whether configfs has `rmpopt/action` and `rmpopt/description`.
    var hasAction: Bool { first.hasConfigfs }

    /// Whether all cores share one window, which begins at the start of memory.
    var hasOneWindow: Bool { isModule || first.windowRule == .startOfMemory }

    private func looks(like series: Series) -> Bool {
        debugfsTable == series.debugfsTable && first.hasConfigfs == series.hasConfigfs
            && first.windowRule == series.windowRule
    }

    /// Finds the version by the files that exist.
    /// - Parameters:
    ///   - config: where configfs is.
    ///   - debug: where debugfs is.
    static func find(config: String, debug: String) throws(KernelError) -> KernelSeries {
        var tables: [String] = []
        for table in Set(all.map(\.debugfsTable.path)).sorted() {
            let path = "\(debug)/\(table)"
            var status = stat()
            if stat(path.systemName, &status) == 0 {
                tables.append(table)
            } else if errno != ENOENT && errno != ENOTDIR {
                throw .unreadable(path: path, .current)
            }
        }
        guard let table = tables.first else { throw .nothing(config: config, debug: debug) }
        let path = "\(debug)/\(table)"
        if tables.count > 1 { throw .unknownVersion(path: path, "there are two tables, also \(debug)/\(tables[1])") }
        let (mode, isSeekable) = try look(at: path)
        let candidates = all.filter { $0.debugfsTable.path == table && $0.debugfsTable.mode == mode }
        // Only test for seeking where it decides: v5 gave its table no llseek method, v2 to v4 did.
        let asked = candidates.count == 1 ? candidates : candidates.filter { $0.debugfsTable.isSeekable == isSeekable }
        guard let series = asked.first else {
            throw .unknownVersion(path: path, "no version gives it the mode 0\(String(mode, radix: 8))")
        }
        let action = "\(config)/rmpopt/action"
        if series.hasAction && access(action.systemName, F_OK) != 0 { throw .noAction(path: action, .current) }
        var found = series
        // Neither a kernel of the series nor a mount of rmpfs has this file.
        found.isModule = series.hasAction && access("\(debug)/\(ModuleFiles.cpus)".systemName, F_OK) == 0
        return found
    }

    private static func look(at path: String) throws(KernelError) -> (mode: UInt32, isSeekable: Bool) {
        let file = open(path.systemName, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw .unreadable(path: path, .current) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw .unreadable(path: path, .current) }
        return (status.st_mode & 0o7777, lseek(file, 0, SEEK_CUR) >= 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
// A second, tiny tree on the product's file kinds and FUSE edge, for comparing their rules with recordings of a real
// kernel: `oracle-tree [-o OPTIONS] CONFIGROOT DEBUGROOT NREGIONS NCPUS`, in the foreground, until SIGTERM.

import Glibc
import RMPFS

@main
enum OracleTree {
    static func main() {
        TerminationSignals.block()
        do {
            try run(Array(CommandLine.arguments.dropFirst()))
        } catch {
            fail("\(error)", status: 1)
        }
    }

    private nonisolated static func run(_ given: [String]) throws {
        var options = MountOptions()
        options.exact = true
        var arguments = given[...]
        if arguments.first == "-o", arguments.count > 1 {
            try options.add(list: arguments[1])
            arguments = arguments.dropFirst(2)
        }
        let words = Array(arguments)
        guard words.count == 4, let regions = Int(words[2]), let cpus = Int(words[3]),
            (1...65536).contains(regions), (1...8192).contains(cpus)
        else { fail("usage: oracle-tree [-o OPTIONS] CONFIGROOT DEBUGROOT NREGIONS NCPUS", status: EX_USAGE) }
        let module = OracleModule(regions: regions, cpus: cpus)
        let configuration = try mount(module.makeConfigRoot(), at: words[0], options)
        let debug: Mount
        do {
            debug = try mount(module.makeDebugRoot(mode: options.mode ?? 0o700), at: words[1], options)
        } catch {
            configuration.end()
            throw error
        }
        try TerminationSignals.watch { _ in
            configuration.end()
            debug.end()
        }
        try configuration.start()
        try debug.serve()
        configuration.end()
        try configuration.wait()
    }

    private nonisolated static func mount(
        _ root: Directory,
        at path: String,
        _ options: MountOptions
    ) throws(MountError) -> Mount {
        let point = try MountPoint(path, options: options)
        return try Mount(root, at: point, options: options) {}
    }

    private nonisolated static func fail(_ text: String, status: Int32) -> Never {
        let line = Array("oracle-tree: \(text)\n".utf8)
        _ = write(STDERR_FILENO, line, line.count)
        exit(status)
    }
}

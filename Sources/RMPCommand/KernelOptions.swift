// SPDX-License-Identifier: Apache-2.0
// Which engine serves a mount, and the options of those that show a real host.

import ArgumentParser
import Glibc
import RMPFS
import RMPImage
import RMPModel

/// Who answers for the host.
enum EngineName: String, ExpressibleByArgument, CaseIterable {
    case simulated
    case kernel
    case rmp
}

/// The options of the engines that show a real host.
struct KernelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What the files show: a simulated machine, the running kernel, or the RMP alone.",
            valueName: "engine"
        )
    )
    var engine = EngineName.simulated

    @Option(help: ArgumentHelp("Where the kernel's configfs is.", valueName: "folder"), completion: .directory)
    var configRoot = KernelRoots().config

    @Option(help: ArgumentHelp("Where the kernel's debugfs is.", valueName: "folder"), completion: .directory)
    var debugRoot = KernelRoots().debug

    @Option(
        help: ArgumentHelp("Where the kernel says which CPUs are online and possible.", valueName: "folder"),
        completion: .directory
    )
    var cpuRoot = KernelRoots().cpus

    @Flag(help: "Pass a 1 on to the kernel, which then runs a pass; otherwise its files are only read.")
    var allowReenable = false

    @Option(
        help: ArgumentHelp("For --engine rmp: a tree of files that stands for another machine.", valueName: "dir"),
        completion: .directory
    )
    var sysroot: String?

    @Option(
        help: ArgumentHelp(
            "For --engine rmp: read again when the last reading is older than this, 0 to 86400. (default: 10)",
            valueName: "seconds"
        )
    )
    var maxAge: UInt64?

    @Flag(help: "For --engine rmp: read all of the RMP each time, not only what a quick reading needs.")
    var fullReading = false

    func validate() throws {
        if let maxAge, maxAge > 86_400 { throw ValidationError("--max-age \(maxAge): not 0 to 86400") }
        let rmpGiven = [
            ("--sysroot", sysroot != nil), ("--max-age", maxAge != nil), ("--full-reading", fullReading),
        ]
        if engine != .rmp, let option = rmpGiven.first(where: \.1) {
            throw ValidationError("\(option.0): only for --engine rmp")
        }
        let given = [
            ("--config-root", configRoot != KernelRoots().config), ("--debug-root", debugRoot != KernelRoots().debug),
            ("--cpu-root", cpuRoot != KernelRoots().cpus), ("--allow-reenable", allowReenable),
        ]
        if engine != .kernel, let option = given.first(where: \.1) {
            throw ValidationError("\(option.0): only for --engine kernel")
        }
    }

    /// Finds the kernel's files and makes their tree.
    func tree(
        at point: MountPoint,
        owner: Owner,
        debugMode: UInt32,
        log: @escaping @Sendable (String) -> Void
    ) throws(KernelError) -> Directory {
        // Absolute, because the daemon changes its working directory.
        let roots = KernelRoots(
            config: MountPoint.resolve(configRoot) ?? configRoot,
            debug: MountPoint.resolve(debugRoot) ?? debugRoot,
            cpus: MountPoint.resolve(cpuRoot) ?? cpuRoot
        )
        try roots.check(mountPoint: point.path)
        let engine = try KernelEngine(roots, allowsRequests: allowReenable, log: log)
        return HostTree(owner: owner, debugMode: debugMode).host(engine)
    }

    /// Finds the RMP, reads it and makes its tree.
    /// - Parameters:
    ///   - host: has the image and where memory ends.
    ///   - log: takes a line for each later error.
    func rmpTree(
        _ host: HostOptions,
        owner: Owner,
        debugMode: UInt32,
        log: @escaping @Sendable (String) -> Void
    ) throws(RMPSourceError) -> Directory {
        // Looks at another machine's files below a folder.
        let machine = Host(sysroot: sysroot)
        // `??` would lose the type of the error.
        let source = if let image = try host.image() { image } else { try RMPSource(host: machine) }
        let rmp = ScannedRMP(source.layout)
        let unit = Granularity.region
        let end = host.memory?.bytes ?? source.end
        let regions = end.map { 0..<Int(truncatingIfNeeded: ($0 + unit - 1) / unit) } ?? rmp.regions
        var cpus = host.cpus ?? 1
        if host.cpus == nil, host.rmpImage == nil, let text = machine.text("/sys/devices/system/cpu/possible"),
            let possible = try? CPUList.parse(Array(text.utf8), limit: Self.cpuLimit)
        {
            possible.forEachRun { cpus = $0.upperBound + 1 }
        }
        do throws(MemoryError) {
            let engine = try RMPEngine(
                RMPEngine.Source(
                    rmp,
                    in: source.memory,
                    regions: regions,
                    depth: fullReading ? .full : .quick,
                    threads: min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), 4),
                    greatestAge: (maxAge ?? 10) * 1_000_000_000
                ),
                cpuCount: cpus,
                describe: { source.failure($0).description },
                log: log
            )
            return HostTree(owner: owner, debugMode: debugMode).host(engine)
        } catch {
            throw source.failure(error)
        }
    }

    /// The most CPUs of any x86 kernel.
    private static let cpuLimit = 8192
}

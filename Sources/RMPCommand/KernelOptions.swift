// SPDX-License-Identifier: Apache-2.0
// Which engine serves a mount, and the options of the kernel engine.

import ArgumentParser
import RMPFS

/// Who answers for the host.
enum EngineName: String, ExpressibleByArgument, CaseIterable {
    case simulated
    case kernel
}

/// The options of the kernel's engine.
struct KernelOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Who answers: a simulated machine, or the running kernel.", valueName: "engine"))
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

    @Flag(help: "Pass a 1 on to the kernel, which then runs a pass; else its files are only read.")
    var allowReenable = false

    func validate() throws {
        let given = [
            ("--config-root", configRoot != KernelRoots().config), ("--debug-root", debugRoot != KernelRoots().debug),
            ("--cpu-root", cpuRoot != KernelRoots().cpus), ("--allow-reenable", allowReenable),
        ]
        if engine == .simulated, let option = given.first(where: \.1) {
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
}

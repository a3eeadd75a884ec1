// SPDX-License-Identifier: Apache-2.0
// `rmpfs mount`: checks the options and serves the mount, in the foreground or in a process of its own.

import ArgumentParser
import Glibc
import Logging
import RMPFS
import Synchronization

struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Mount a simulated RMPOPT host.",
        discussion: """
            Returns when the mount answers. The host has booted: SNP is enabled, the boot pass has ended, no guest has \
            run.
            SIGINT and SIGTERM unmount it. A mount whose rmpfs died is recovered by the next one at the same place.
            """
    )

    @OptionGroup var host: HostOptions

    @OptionGroup var kernel: KernelOptions

    @Flag(name: [.short, .long], help: "Stay in the foreground and log to standard error.")
    var foreground = false

    @Argument(help: ArgumentHelp("An empty folder.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String

    static let dieWithParent = "die-with-parent"

    @Flag(
        name: .customLong(Self.dieWithParent),
        help: "Unmount when the process that called rmpfs has ended, such as a test that is killed."
    )
    var diesWithParent = false

    /// The caller's PID, set by the process that started this one in the background.
    @Option(name: .customLong(BackgroundProcess.flag), help: .hidden)
    var caller: Int32?

    private var isBackgroundProcess: Bool { caller != nil }

    /// The hidden options that ``MountHelper`` makes of mount(8)'s `-f` and `-N`.
    static let (dryRun, namespace) = ("dry-run", "mount-namespace")

    /// Checks the options and mounts nothing.
    @Flag(name: .customLong(Self.dryRun), help: .hidden)
    var isDryRun = false

    /// The mount namespace in which all paths are looked up: a file such as /proc/1/ns/mnt, or a PID.
    @Option(name: .customLong(Self.namespace), help: .hidden)
    var mountNamespace: String?

    func validate() throws {
        let known: Set<String> = kernel.engine == .rmp ? ["--cpus", "--memory", "--rmp-image"] : []
        if kernel.engine != .simulated, let option = host.machineOption(but: known) {
            throw ValidationError(
                "\(option): only for a simulated machine; leave it out with --engine \(kernel.engine.rawValue)"
            )
        }
        if kernel.engine == .rmp, let memory = host.memory, let problem = memory.endOfRegionsProblem {
            throw ValidationError("--memory \(memory.defaultValueDescription): \(problem)")
        }
        if kernel.sysroot != nil && host.rmpImage != nil {
            throw ValidationError("--sysroot and --rmp-image are two hosts: give one of them")
        }
    }

    func run() throws {
        if let files = OwnProcess.tooFewFiles {
            StandardError.write(
                "rmpfs: the limit of open files is \(files); a mount needs \(OwnProcess.fewestFiles): ulimit -n "
                    + "\(OwnProcess.fewestFiles)\n"
            )
            throw ExitCode.failure
        }
        if isDryRun {
            try checkWords()
        } else if foreground || isBackgroundProcess {
            try serve()
        } else {
            throw ExitCode(BackgroundProcess.spawn(arguments: Invocation.arguments))
        }
    }

    private func checkWords() throws {
        do {
            try enterNamespace()
            if kernel.engine == .simulated { try host.check() }
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }

    private func enterNamespace() throws(MountError) {
        if let mountNamespace { try MountNamespace.enter(mountNamespace) }
    }

    private func serve() throws {
        if isBackgroundProcess && !BackgroundProcess.begin() {
            throw ValidationError(
                "--\(BackgroundProcess.flag): for a process that rmpfs mount starts by itself. Leave it out"
            )
        }
        TerminationSignals.block()
        let log = Logger(label: "rmpfs") { _ in StandardErrorLog() }
        do {
            try enterNamespace()
            let options = try host.mountOptions
            let point = try MountPoint(mountPoint, options: options) { log.warning("\($0)") }
            let tree: Directory
            var faults: FaultTable?
            var booted: HostOptions.BootedHost?
            switch kernel.engine {
            case .simulated:
                let host = try host.boot(options)
                (tree, faults, booted) = (host.root, host.faults, host)
            case .rmp:
                tree = try kernel.rmpTree(host, owner: host.owner(options), debugMode: options.mode ?? 0o700) {
                    log.error("\($0)")
                }
            case .kernel:
                let owner = host.owner(options)
                tree = try kernel.tree(at: point, owner: owner, debugMode: options.mode ?? 0o700) { log.error("\($0)") }
            }
            let isBackgroundProcess = isBackgroundProcess
            let mount = try Mount(tree, at: point, options: options, faults: faults) {
                if isBackgroundProcess { return BackgroundProcess.reportReady() }
                log.info("mounted at \(point.path)")
                ServiceNotification.send("READY=1\n")
            }
            let signal = Atomic<Int32>(0)
            do {
                try TerminationSignals.watch { number in
                    signal.store(number, ordering: .releasing)
                    if !isBackgroundProcess { ServiceNotification.send("STOPPING=1\n") }
                    mount.end()
                }
            } catch {
                mount.end()
                throw error
            }
            do {
                if diesWithParent { try OwnProcess.end(with: caller ?? getppid()) }
            } catch {
                mount.end()
                throw MountError.noParent(error)
            }
            defer { booted?.end() }
            try mount.serve()
            let number = signal.load(ordering: .acquiring)
            log.info("\(number == 0 ? "" : "signal \(number): ")unmounted \(point.path)")
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }
}

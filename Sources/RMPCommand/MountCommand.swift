// SPDX-License-Identifier: Apache-2.0
// `rmpfs mount`: checks what was asked for, and serves the mount, in the foreground or by a process of its own.

import ArgumentParser
import Glibc
import Logging
import RMPFS
import RMPModel
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

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Number of CPUs, 1 to 8192; 16 by default. An even number makes two threads a core.",
            valueName: "n"
        )
    )
    var cpus: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Memory from address 0 up, 1G to 64T, a multiple of 2M; 64G by default.",
            valueName: "size"
        )
    )
    var memory: MemorySize?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The machine of a file, or of a name that rmpfs machine lists, in place of --cpus and --memory.",
            valueName: "file"
        ),
        completion: .file(extensions: ["yaml"])
    )
    var machine: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Version of the RMPOPT series that the host runs, v1 to v10; by default what the machine file says, or v1.",
            valueName: "version"
        )
    )
    var series: SeriesArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Virtual seconds per second; 0: time passes only through rmpsim/clock; instant: what a write sets going "
                + "has ended when the write returns.",
            valueName: "factor"
        )
    )
    var pace = PaceArgument(pace: .factor(1))

    @Flag(name: [.short, .long], help: "Stay in the foreground and log to standard error.")
    var foreground = false

    @Option(name: .short, help: ArgumentHelp("Mount options, as mount(8) takes them.", valueName: "options"))
    var options: [String] = []

    @Argument(help: ArgumentHelp("An empty folder.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String

    /// Set by the process that put this one into the background.
    @Flag(name: .customLong(BackgroundProcess.flag), help: .hidden)
    var isBackgroundProcess = false

    /// The machine of --cpus and --memory.
    private var uniformMachine: MachineConfiguration {
        get throws(ConfigurationError) {
            try MachineConfiguration(
                cpus: cpus ?? 16,
                memoryBytes: memory?.bytes ?? 64 << 30,
                series: series?.series ?? .v1
            )
        }
    }

    private var mountOptions: MountOptions {
        get throws(MountOptions.Refusal) {
            var parsed = MountOptions()
            for list in options { try parsed.add(list: list) }
            return parsed
        }
    }

    func validate() throws {
        do {
            _ = try uniformMachine
            _ = try mountOptions
        } catch {
            throw ValidationError("\(error)")
        }
        if machine != nil && (cpus != nil || memory != nil) {
            throw ValidationError("--machine has its own CPUs and memory: leave out --cpus and --memory")
        }
    }

    func run() throws {
        if foreground || isBackgroundProcess {
            try serve()
        } else {
            throw ExitCode(BackgroundProcess.spawn(arguments: Invocation.arguments))
        }
    }

    private func configuration() throws -> MachineConfiguration {
        guard let machine else { return try uniformMachine }
        var configuration = try MachineSource.load(machine).configuration
        if let series { configuration.series = series.series }
        return configuration
    }

    private func serve() throws {
        if isBackgroundProcess { BackgroundProcess.begin() }
        TerminationSignals.block()
        let log = Logger(label: "rmpfs") { _ in StandardErrorLog() }
        do {
            let options = try mountOptions
            let point = try MountPoint(mountPoint, options: options) { log.warning("\($0)") }
            let engine = SimulatedEngine(try configuration(), pace: pace.pace)
            let owner = Owner(user: options.user ?? geteuid(), group: options.group ?? getegid())
            let faults = FaultTable(holdWork: engine.holdPasses)
            let tree = HostTree(owner: owner, debugMode: options.mode ?? 0o700)
                .root(engine, faults: faults)
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
            try mount.serve()
            let number = signal.load(ordering: .acquiring)
            log.info("\(number == 0 ? "" : "signal \(number): ")unmounted \(point.path)")
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }
}

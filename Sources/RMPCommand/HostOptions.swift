// SPDX-License-Identifier: Apache-2.0
// The options that describe a host, shared by all subcommands that make one.

import ArgumentParser
import Glibc
import RMPFS
import RMPModel

/// The options of a simulated host, and of its tree.
struct HostOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Number of CPUs, 1 to 8192. An even number makes two threads a core. (default: 16)",
            valueName: "n"
        )
    )
    var cpus: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Memory from address 0 up, 1G to 64T, a multiple of 2M. (default: 64G)",
            valueName: "size"
        ),
        transform: MemorySize.parse
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
            """
            Version of the RMPOPT series that the host runs: v1 to v10, or merged, the form in Linux. (default: v1, or \
            the machine file's)
            """,
            valueName: "version"
        )
    )
    var series: SeriesArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Virtual seconds per second; 0: time passes only through rmpsim/clock; instant: whatever a write starts "
                + "has finished when the write returns.",
            valueName: "factor"
        )
    )
    var pace = PaceArgument(pace: .factor(1))

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How far the host boots: kernel, to just before SNP_INIT_EX; firmware, until everything that SNP_INIT_EX "
                + "starts has finished. (default: firmware, or the machine file's)",
            valueName: "stage"
        )
    )
    var boot: BootArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Take over the RMP of another host from a file whose offsets are physical addresses; holes are zeros. Its \
            ASIDs become guests. (memory: all that the RMP covers, or --memory, or the machine file's)
            """,
            valueName: "file"
        ),
        completion: .file()
    )
    var rmpImage: String?

    @OptionGroup var registers: RegisterOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Record every command to the host in a new file, for rmpfs replay; compressed if its name ends in .gz.",
            valueName: "file"
        ),
        completion: .file()
    )
    var record: String?

    /// The hidden options with which `rmpfs replay --mount` mounts.
    static let (replayOption, untilOption, fromOption) = ("replay", "until", "from")

    @Option(name: .customLong(Self.replayOption), help: .hidden)
    var replay: String?

    @Option(name: .customLong(Self.untilOption), help: .hidden)
    var until: UInt64?

    /// From where the recording is played; nil: it is not, the host is mounted as it is then.
    @Option(name: .customLong(Self.fromOption), help: .hidden)
    var from: UInt64?

    @Option(name: .short, help: ArgumentHelp("Mount options, as mount(8) takes them.", valueName: "options"))
    var options: [String] = []

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

    var mountOptions: MountOptions {
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
        try registers.check(for: "--rmp-image", rmpImage != nil)
        if rmpImage != nil && boot?.stage == .kernel {
            throw ValidationError("--rmp-image is of a host with SNP initialized: leave out --boot kernel")
        }
        if record != nil && rmpImage != nil {
            throw ValidationError("--record: a recording does not hold the RMP of --rmp-image; leave one of them out")
        }
        if machine != nil && (cpus != nil || memory != nil) {
            throw ValidationError("--machine has its own CPUs and memory: leave out --cpus and --memory")
        }
    }

    /// What the options say of the machine.
    private func description() throws -> HostDescription {
        HostDescription(
            cpus: cpus,
            memory: memory?.bytes,
            machine: try machine.map { try MachineSource.text(of: $0) },
            series: series?.series,
            stage: boot?.stage
        )
    }

    /// - Parameter image: the RMP that the machine takes over.
    private func configuration(_ image: RMPSource?) throws -> MachineConfiguration {
        var configuration: MachineConfiguration
        if let machine {
            configuration = try MachineSource.load(machine).configuration
        } else if let image {
            configuration = try MachineConfiguration(
                cpus: cpus ?? 16,
                memoryBytes: memory?.bytes ?? ImageBoot.memory(of: image.layout),
                series: series?.series ?? .v1
            )
        } else {
            configuration = try uniformMachine
        }
        if let image { configuration = try configuration.adopting(image.layout) }
        if let series { configuration.series = series.series }
        if let boot {
            var plan = configuration.boot
            plan.stage = boot.stage
            configuration = try configuration.booting(plan)
        }
        return configuration
    }

    /// The first option given that only a simulated machine has, if any.
    /// - Parameter exceptions: options that the engine has, too.
    func machineOption(but exceptions: Set<String> = []) -> String? {
        let given = [
            ("--cpus", cpus != nil), ("--memory", memory != nil), ("--machine", machine != nil),
            ("--record", record != nil), ("--series", series != nil), ("--pace", pace.pace != .factor(1)),
            ("--boot", boot != nil), ("--rmp-image", rmpImage != nil),
        ]
        return given.first { $0.1 && !exceptions.contains($0.0) }?.0
    }

    /// Who owns the tree.
    func owner(_ options: MountOptions) -> Owner {
        Owner(user: options.user ?? geteuid(), group: options.group ?? getegid())
    }

    /// Checks that the machine can exist, without booting it.
    func check() throws { _ = try configuration(try image()) }

    /// The RMP of ``rmpImage``.
    func image() throws(RMPSourceError) -> RMPSource? {
        guard let rmpImage else { return nil }
        return try RMPSource(file: rmpImage, registers.registers)
    }

    /// A host that has booted.
    struct BootedHost {
        let engine: SimulatedEngine
        let faults: FaultTable
        let tree: HostTree
        fileprivate let recorder: HostRecorder?

        /// What a mount of it shows.
        var root: Directory { tree.root(engine, faults: faults) }
        /// The trees for the kernel's own paths.
        var kernelTrees: KernelTrees { tree.kernelTrees(engine, faults: faults) }
        /// Must be called when nobody uses it any more: ends a recording.
        func end() { recorder?.end(engine) }
    }

    /// Boots the machine, or brings it to the moment of a recording.
    /// - Parameter folder: where a relative path of `--record` begins; nil for the working directory.
    func boot(_ options: MountOptions, in folder: String? = nil) throws -> BootedHost {
        Heap.prepare()
        let machine: Machine
        var script: ReplayScript?
        if let replay {
            var run = try ReplayRun(path: replay)
            let jump = from.map { max($0, run.machine.now) } ?? until
            if let difference = try run.run(until: jump).difference {
                StandardError.write("rmpfs: \(difference.message(in: replay)); mounted as it is before the next line\n")
            }
            machine = run.machine
            if from != nil { script = run.rest(until: until) { StandardError.write("rmpfs: \($0)\n") } }
        } else {
            let image = try image()
            let configuration = try configuration(image)
            machine =
                try image.map { image in
                    try ImageBoot.machine(configuration, image) { StandardError.write("rmpfs: \($0)\n") }
                } ?? Machine(configuration)
        }
        let recorder = try record.map { path in
            let isRelative = !path.hasPrefix("/")
            return try HostRecorder(
                path: isRelative ? (folder.map { "\($0)/" } ?? "") + path : path,
                description(),
                machine
            )
        }
        let engine = SimulatedEngine(
            machine,
            pace: pace.pace,
            witness: recorder,
            script: script,
            stoppingAt: script == nil ? nil : until
        )
        let faults = FaultTable { engine.holdPasses($0) }
        let tree = HostTree(owner: owner(options), debugMode: options.mode ?? 0o700)
        return BootedHost(engine: engine, faults: faults, tree: tree, recorder: recorder)
    }
}

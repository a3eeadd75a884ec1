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
            Version of the RMPOPT series that the host runs: v1 to v10, or merged, the form that is in Linux. \
            (default: v1, or what the machine file says)
            """,
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

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How far the host boots: kernel, before SNP_INIT_EX; firmware, until all is done that "
                + "SNP_INIT_EX set going. "
                + "(default: firmware, or the machine file's)",
            valueName: "stage"
        )
    )
    var boot: BootArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Take over the RMP of another host: a file whose offsets are physical addresses, holes are zeros. Its ASIDs \
            become guests. (memory: all that the RMP covers, or --memory, or the machine file's)
            """,
            valueName: "file"
        ),
        completion: .file()
    )
    var rmpImage: String?

    @OptionGroup var registers: RegisterOptions

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
        if machine != nil && (cpus != nil || memory != nil) {
            throw ValidationError("--machine has its own CPUs and memory: leave out --cpus and --memory")
        }
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
            ("--series", series != nil), ("--pace", pace.pace != .factor(1)), ("--boot", boot != nil),
            ("--rmp-image", rmpImage != nil),
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

    /// Boots the machine and makes its tree.
    func simulatedTree(_ options: MountOptions) throws -> (root: Directory, faults: FaultTable) {
        let (engine, faults, tree) = try simulatedHost(options)
        return (tree.root(engine, faults: faults), faults)
    }

    /// Boots the machine and makes its trees for the kernel's own paths.
    func kernelTrees(_ options: MountOptions) throws -> (trees: KernelTrees, faults: FaultTable) {
        let (engine, faults, tree) = try simulatedHost(options)
        return (tree.kernelTrees(engine, faults: faults), faults)
    }

    private func simulatedHost(_ options: MountOptions) throws -> (SimulatedEngine, FaultTable, HostTree) {
        Heap.prepare()
        let image = try image()
        let configuration = try configuration(image)
        let engine: SimulatedEngine
        if let image {
            let machine = try ImageBoot.machine(configuration, image) { StandardError.write("rmpfs: \($0)\n") }
            engine = SimulatedEngine(machine, pace: pace.pace)
        } else {
            engine = SimulatedEngine(configuration, pace: pace.pace)
        }
        let faults = FaultTable { engine.holdPasses($0) }
        return (engine, faults, HostTree(owner: owner(options), debugMode: options.mode ?? 0o700))
    }
}

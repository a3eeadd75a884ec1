// SPDX-License-Identifier: Apache-2.0
// What is said about a host on the command line, the same for every subcommand that makes one.

import ArgumentParser
import Glibc
import RMPFS
import RMPModel

/// The options of a simulated host, and of its tree.
struct HostOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Number of CPUs, 1 to 8192. An even number makes two threads a core.", valueName: "n")
    )
    var cpus = 16

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Memory from address 0 up, 1G to 64T, a multiple of 2M.", valueName: "size")
    )
    var memory = MemorySize(bytes: 64 << 30)

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Virtual seconds per second; 0: time passes only through rmpsim/clock; instant: what a write sets going "
                + "has ended when the write returns.",
            valueName: "factor"
        )
    )
    var pace = PaceArgument(pace: .factor(1))

    @Option(name: .short, help: ArgumentHelp("Mount options, as mount(8) takes them.", valueName: "options"))
    var options: [String] = []

    private var machine: MachineConfiguration {
        get throws(ConfigurationError) { try MachineConfiguration(cpus: cpus, memoryBytes: memory.bytes) }
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
            _ = try machine
            _ = try mountOptions
        } catch {
            throw ValidationError("\(error)")
        }
    }

    /// An option that says something of the machine, if one was given.
    var machineOption: String? {
        let plain = [
            ("--cpus", cpus == 16), ("--memory", memory.bytes == 64 << 30), ("--pace", pace.pace == .factor(1)),
        ]
        return plain.first { !$0.1 }?.0
    }

    /// Who owns the tree.
    func owner(_ options: MountOptions) -> Owner {
        Owner(user: options.user ?? geteuid(), group: options.group ?? getegid())
    }

    /// Boots the machine and makes its tree.
    func simulatedTree(_ options: MountOptions) throws -> Directory {
        let engine = SimulatedEngine(try machine, pace: pace.pace)
        return HostTree(owner: owner(options), debugMode: options.mode ?? 0o700).root(engine)
    }
}

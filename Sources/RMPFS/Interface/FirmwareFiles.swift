// SPDX-License-Identifier: Apache-2.0
// SNP firmware's commands as the ccp driver issues them, rmpsim/firmware/.

import RMPModel

/// Builds `rmpsim/firmware/`.
struct FirmwareFiles {
    let engine: SimulatedEngine
    let owner: Owner

    /// The commands that `state` accepts.
    private static let commands: KeyValuePairs<StaticString, Command> = [
        "init": .initializeFirmware,
        "shutdown": .shutDownFirmware(x86: false),
        "shutdown_x86": .shutDownFirmware(x86: true),
        "kexec": .kexec(),
    ]

    func folder() -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        folder.add([
            "state": state, "snp_enabled": snpEnabled, "fail_init": failInit, "fail_decommission": failDecommission,
        ])
        return folder
    }

    /// `init` or `uninit`, as in SNP_PLATFORM_STATUS. Writes give a command; `kexec` may be followed by a list of the
    /// CPUs that the new kernel brings online.
    private var state: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                switch try engine.look({ machine throws(Errno) in machine.firmwareState }) {
                case .initialized: text.append("init\n")
                case .uninitialized: text.append("uninit\n")
                }
            },
            store: { [engine] value throws(Errno) in
                if let command = Self.commands.first(where: { value.equals($0.key) })?.value {
                    try engine.perform(command)
                    return
                }
                let words = value.words()
                guard words.count == 2, words[0].equals("kexec"),
                    let cpus = try? CPUList.parse(words[1].bytes, limit: engine.cpuCount)
                else { throw .invalid }
                try engine.perform(.kexec(online: cpus))
            }
        )
    }

    /// SYSCFG.SNP_EN.
    private var snpEnabled: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                let isEnabled = try engine.look { machine throws(Errno) in machine.isSNPEnabled }
                text.append(isEnabled ? "1\n" : "0\n")
            },
            store: nil
        )
    }

    /// How many of the next SNP_INIT_EX commands fail.
    private var failInit: Attribute {
        failures({ $0.firmwareFailuresLeft }, { .failFirmware(count: $0) })
    }

    /// How many of the next SNP_DECOMMISSION commands fail.
    private var failDecommission: Attribute {
        failures({ $0.decommissionFailuresLeft }, { .failDecommission(count: $0) })
    }

    /// A number of failures to come: how many are left, and the command that sets it.
    private func failures(
        _ left: @escaping @Sendable (borrowing Machine) -> UInt64,
        _ command: @escaping @Sendable (UInt64) -> Command
    ) -> Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                text.append(decimal: try engine.look { machine throws(Errno) in left(machine) })
                text.append(0x0A)
            },
            store: { [engine] value throws(Errno) in
                try engine.perform(command(UInt64(value.unsignedInt())))
            }
        )
    }
}

// SPDX-License-Identifier: Apache-2.0
// SNP firmware's commands as the ccp driver gives them, rmpsim/firmware/.

import RMPModel

/// Builds `rmpsim/firmware/`.
struct FirmwareFiles {
    let engine: SimulatedEngine
    let owner: Owner

    /// What `state` takes.
    private static let commands: KeyValuePairs<StaticString, Command> = [
        "init": .initializeFirmware,
        "shutdown": .shutDownFirmware(x86: false),
        "shutdown_x86": .shutDownFirmware(x86: true),
        "kexec": .kexec,
    ]

    func folder() -> Directory {
        let folder = Directory(rules: .configfs, owner: owner)
        folder.add([
            "state": state, "snp_enabled": snpEnabled, "fail_init": failInit, "fail_decommission": failDecommission,
        ])
        return folder
    }

    /// `init` or `uninit`, as SNP_PLATFORM_STATUS says. Written: a command.
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
                guard let command = Self.commands.first(where: { value.equals($0.key) })?.value else { throw .invalid }
                try engine.perform(command)
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
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                text.append(decimal: try engine.look { machine throws(Errno) in machine.firmwareFailuresLeft })
                text.append(0x0A)
            },
            store: { [engine] value throws(Errno) in
                try engine.perform(.failFirmware(count: UInt64(value.unsignedInt())))
            }
        )
    }

    /// How many of the next SNP_DECOMMISSION commands fail.
    private var failDecommission: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                text.append(decimal: try engine.look { machine throws(Errno) in machine.decommissionFailuresLeft })
                text.append(0x0A)
            },
            store: { [engine] value throws(Errno) in
                try engine.perform(.failDecommission(count: UInt64(value.unsignedInt())))
            }
        )
    }
}

// SPDX-License-Identifier: Apache-2.0
// The registers that say where an RMP lies in a file: what its host has in them.

import ArgumentParser
import RMPImage

/// `--rmp-base`, `--rmp-end`, `--rmp-cfg`.
struct RegisterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("RMP_BASE, C001_0132, of the host that the file is from.", valueName: "value"),
        transform: RegisterValue.parse
    )
    var rmpBase: RegisterValue?

    @Option(
        help: ArgumentHelp("RMP_END, C001_0133; a segmented RMP has none.", valueName: "value"),
        transform: RegisterValue.parse
    )
    var rmpEnd: RegisterValue?

    @Option(
        help: ArgumentHelp("RMP_CFG, C001_0136; 0, the default, is a contiguous RMP.", valueName: "value"),
        transform: RegisterValue.parse
    )
    var rmpCfg: RegisterValue?

    /// Whether any is given.
    var isGiven: Bool { (rmpBase ?? rmpEnd ?? rmpCfg) != nil }

    /// The registers; what is not given is 0.
    var registers: RMPRegisters {
        RMPRegisters(base: rmpBase?.value ?? 0, end: rmpEnd?.value ?? 0, configuration: rmpCfg?.value ?? 0)
    }

    /// Checks that they come with a file, and a file with them.
    /// - Parameters:
    ///   - file: the option that names the file.
    ///   - isGiven: whether it is given.
    func check(for file: String, _ isFileGiven: Bool) throws {
        if isFileGiven && rmpBase == nil {
            throw ValidationError("\(file) needs --rmp-base: what the host has in MSR C001_0132 (rdmsr -c 0xc0010132)")
        }
        if !isFileGiven && isGiven {
            throw ValidationError("--rmp-base, --rmp-end and --rmp-cfg are for \(file): a host has its own registers")
        }
    }
}

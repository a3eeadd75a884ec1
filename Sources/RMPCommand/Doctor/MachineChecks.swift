// SPDX-License-Identifier: Apache-2.0
// The last check of `rmpfs doctor`: can the requested machine be simulated?

import MachineFile

extension Check {
    static let machineChecks = [
        Check(
            "machine-file",
            .machine,
            "The machine of --machine can be read and can boot.",
            hint: "Mend the file as the message says; rmpfs-machine(5) has its keys."
        ) { host in
            guard let machine = host.machine else { return .notApplicable("no machine was named") }
            do {
                let file = try MachineSource.load(machine)
                return .pass("\(file.name): \(file.configuration.topology.cpuCount) CPUs")
            } catch {
                return .fail("\(error)")
            }
        }
    ]
}

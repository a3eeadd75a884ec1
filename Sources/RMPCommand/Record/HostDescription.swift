// SPDX-License-Identifier: Apache-2.0
// What makes a simulated host, as options or the first line of a recording say it: the same values make the same host.

import MachineFile
import RMPModel
import Recording

/// The host of some options, or of a recording.
struct HostDescription {
    var cpus: Int?
    var memory: UInt64?
    /// A machine file: its text and its path.
    var machine: (text: String, file: String)?
    var series: Series?
    var stage: BootPlan.Stage?

    /// The machine as it is ordered.
    func configuration() throws -> MachineConfiguration {
        var configuration =
            try machine.map { try MachineFile(bytes: Array($0.text.utf8), file: $0.file).configuration }
            ?? MachineConfiguration(cpus: cpus ?? 16, memoryBytes: memory ?? 64 << 30, series: series ?? .v1)
        if let series { configuration.series = series }
        if let stage {
            var plan = configuration.boot
            plan.stage = stage
            configuration = try configuration.booting(plan)
        }
        return configuration
    }

    /// The first line of a recording of this host.
    func header(version: String, _ machine: borrowing Machine) -> Fields {
        var fields = Fields([
            "rmpfs": .text("recording"), "version": .number(Recording.version), "program": .text(version),
        ])
        if let cpus { fields.add("cpus", .number(UInt64(cpus))) }
        if let memory { fields.add("memory", .number(memory)) }
        if let file = self.machine {
            fields.add("file", .text(file.file))
            fields.add("machine", .text(file.text))
        }
        if let series { fields.add("series", .text(series.name)) }
        if let stage { fields.add("boot", .text(BootArgument.word(of: stage))) }
        fields.add("start", .number(machine.now))
        fields.add("digest", .text(String(machine.digest, radix: 16)))
        return fields
    }

    /// The host of a recording.
    init(_ header: Fields) throws(RecordingError) {
        if header.has("cpus") {
            guard let count = Int(exactly: try header.number("cpus")) else {
                throw RecordingError("\"cpus\" is too large", line: 1)
            }
            cpus = count
        }
        if header.has("memory") { memory = try header.number("memory") }
        if header.has("machine") { machine = (try header.text("machine"), try header.text("file")) }
        if header.has("series") {
            let name = try header.text("series")
            guard let known = Series.named(name) else { throw RecordingError("there is no series \(name)", line: 1) }
            series = known
        }
        if header.has("boot") {
            let word = try header.text("boot")
            guard let known = BootArgument(argument: word) else {
                throw RecordingError("there is no stage \(word) of boot", line: 1)
            }
            stage = known.stage
        }
    }

    init(cpus: Int?, memory: UInt64?, machine: (text: String, file: String)?, series: Series?, stage: BootPlan.Stage?) {
        (self.cpus, self.memory, self.machine, self.series, self.stage) = (cpus, memory, machine, series, stage)
    }
}

// SPDX-License-Identifier: Apache-2.0
// A scenario as text with all defaults written out: what a folder of results says about itself.

import MachineFile
import RMPModel

extension Scenario {
    /// What a file of the scenario held: results of one that has changed since must not be mixed with new ones.
    private func checksum(_ name: String) -> String {
        let checksum = files.first { $0.name == name }?.checksum ?? 0
        return "checksum \(String(checksum, radix: 16))"
    }

    /// The scenario as a file that leads to the same runs.
    ///
    /// - Parameter program: name and version of the program.
    public func text(program: String) -> String {
        var lines = ["program: \(Scenario.quoted(program))"]
        if !name.isEmpty { lines.append("name: \(Scenario.quoted(name))") }
        if !about.isEmpty { lines.append("description: \(Scenario.quoted(about))") }
        if namesMachines {
            let names = machines.map { $0.isFile ? "\(ScenarioFile.folder)/\($0.name)" : $0.name }
            lines.append("machine: \(Scenario.list(names.map(Scenario.quoted)))")
            for machine in machines where machine.isFile {
                lines.append("# \(machine.name): \(checksum(machine.name))")
            }
        } else {
            lines.append("cpus: \(cpus)")
            lines.append("memory: \(Quantities.size(memory))")
        }
        lines.append("hosts: \(hosts)")
        lines.append("assignment: \(assignment.rawValue)")
        lines.append("duration: \(Quantities.period(duration))")
        lines.append("measure_from: \(Quantities.period(measureFrom))")
        lines.append("timeline_step: \(Quantities.period(step))")
        lines.append("seed: \(seed)")
        lines.append("seeds: \(seeds)")
        lines.append("snp_percent: \(Scenario.list(snpPercent.map(Decimal.text)))")
        lines.append("placement: \(Scenario.list(placements))")
        if let poolPercent { lines.append("pool_percent: \(Scenario.list(poolPercent.map(Decimal.text)))") }
        lines.append("trigger: \(Scenario.list(triggers.map { Scenario.quoted($0.name) }))")
        let own = triggers.filter { trigger in
            !(Series.all.map { Trigger($0) } + TriggerWords.shipped).contains(trigger)
        }
        if !own.isEmpty { lines.append("triggers:") }
        for trigger in own { lines += Scenario.lines(trigger) }
        lines.append("snp_backing: \(Scenario.list(snpBacking.map(BackingWords.word)))")
        lines.append("ordinary_backing: \(Scenario.list(ordinaryBacking.map(BackingWords.word)))")
        lines.append("host_percent: \(Scenario.list(hostPercent.map(Decimal.text)))")
        lines.append("page_cache_percent: \(Scenario.list(cachePercent.map(Decimal.text)))")
        lines.append("workload:")
        if let trace {
            lines.append("  # \(trace.guests.count) guests, \(checksum(trace.name))")
            lines.append("  trace: \(Scenario.quoted("\(ScenarioFile.folder)/\(trace.name)"))")
            lines.append("  trace_percent: \(Decimal.text(tracePercent))")
        } else {
            lines.append("  arrivals_per_hour: \(Scenario.list(arrivals.map(Decimal.text)))")
            lines.append("  sizes:")
            for size in generator.sizes {
                let memory = Quantities.size(size.memory)
                lines.append("    - {percent: \(Decimal.text(size.share)), memory: \(memory), vcpus: \(size.vcpus)}")
            }
            lines.append("  lifetimes:")
            for point in generator.lifetimes.points {
                let share = Decimal.text((point.share * 1e9).rounded() / 1e7)
                lines.append("    - {age: \(Quantities.period(point.age)), alive_percent: \(share)}")
            }
            lines.append("  guests_per_tenant: \(Decimal.text(generator.guestsPerTenant))")
            lines.append("  starts_full: \(generator.startsFull)")
        }
        lines.append("conversions:")
        lines.append("  per_hour: \(Scenario.list(conversionRates.map(Decimal.text)))")
        lines.append("  size: \(Quantities.size(conversions.size))")
        lines.append("  hold: \(Quantities.period(conversions.hold))")
        return lines.map { $0 + "\n" }.joined()
    }

    private static func lines(_ trigger: Trigger) -> [String] {
        var lines = ["  - name: \(quoted(trigger.name))", "    passes: \(trigger.series.name)"]
        lines.append("    guest_end: \(trigger.atGuestEnd != nil)")
        lines.append("    conversion: \(trigger.atConversion != nil)")
        lines.append("    freed_region: \(trigger.atFreedRegion != nil)")
        if let request = trigger.atGuestEnd ?? trigger.atConversion ?? trigger.atFreedRegion {
            lines.append("    delay: \(Quantities.period(request.delay))")
            let word = TriggerWords.batching.first { $0.value == request.batching }?.word ?? ""
            lines.append("    batching: \(word)")
        }
        if let period = trigger.period { lines.append("    period: \(Quantities.period(period))") }
        lines.append("    scope: \(TriggerWords.scopes.first { $0.value == trigger.scope }?.word ?? "")")
        return lines
    }

    private static func list(_ values: [String]) -> String { "[\(values.joined(separator: ", "))]" }

    /// A text in double quotes, as YAML reads it.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    let digits = String(scalar.value, radix: 16)
                    quoted += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
                } else {
                    quoted.unicodeScalars.append(scalar)
                }
            }
        }
        return quoted + "\""
    }
}

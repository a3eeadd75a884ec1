// SPDX-License-Identifier: Apache-2.0
// A scenario: everything that a run depends on, with a list where several values are to be tried.

import MachineFile
public import RMPModel

/// What to simulate.
public struct Scenario: Sendable {
    /// The machines with their names; one of none has the scenario's CPUs and memory.
    var machines: [(name: String, configuration: MachineConfiguration, isFile: Bool)]
    /// Whether the file names machines.
    var namesMachines: Bool
    var cpus = 384
    var memory: UInt64 = 2 << 40
    var hosts = 1
    var assignment = Assignment.firstFit
    var duration: UInt64 = 30 * day
    var measureFrom: UInt64 = 0
    var step: UInt64 = hour
    var seed = 1
    var seeds = 1
    var snpPercent = [50.0]
    var placements = ["packed"]
    var poolPercent: [Double]?
    var triggers = [Trigger(.v10)]
    var snpBacking = [Backing.size4K]
    var ordinaryBacking = [Backing.size2M]
    var hostPercent = [2.0]
    var cachePercent = [0.0]
    var trace: (name: String, guests: [GuestSpec])?
    /// Files that it names, each once.
    public internal(set) var files: [Copy] = []
    var tracePercent = 100.0
    var arrivals = [Generator().arrivalsPerHour]
    var generator = Generator()
    var conversionRates = [0.0]
    var conversions = Conversions()
    /// The scenario's name.
    public var name = ""
    /// What it is about.
    public var about = ""

    static let hour: UInt64 = 3_600_000_000_000
    static let day: UInt64 = 24 * hour

    /// The scenario of an empty file.
    public init() throws(ConfigurationError) {
        machines = [("", try MachineConfiguration(cpus: cpus, memoryBytes: memory, series: .v10), false)]
        namesMachines = false
    }

    /// Begins at another seed.
    public mutating func setSeed(_ seed: Int) { self.seed = seed }

    /// Reads a scenario.
    ///
    /// - Parameters:
    ///   - bytes: YAML, as of a machine file.
    ///   - file: its name, for errors.
    ///   - machine: reads the machine that the file names; its file is nil for one that comes with the program.
    ///   - contents: reads a file that the file names.
    /// - Throws: `MachineFileError` with line, key and remedy; `TraceError`; what the two closures throw.
    public init(
        bytes: [UInt8],
        file: String,
        machine: (String) throws -> (configuration: MachineConfiguration, file: ScenarioFile?),
        contents: (String) throws -> ScenarioFile
    ) throws {
        do {
            try self.init()
            let record = try Checker(ScenarioSchema.root).check(Document.read(bytes, canBeEmpty: true))
            try read(record, machine: machine, contents: contents)
        } catch let fault as Fault {
            throw MachineFileError(file: file, fault)
        }
    }

    private mutating func read(
        _ record: Record,
        machine: (String) throws -> (configuration: MachineConfiguration, file: ScenarioFile?),
        contents: (String) throws -> ScenarioFile
    ) throws {
        name = record.text("name") ?? ""
        about = record.text("description") ?? ""
        cpus = record.integer("cpus") ?? cpus
        memory = record.bytes("memory") ?? memory
        if let names = record.list("machine") {
            for key in ["cpus", "memory"] where record.fields[key] != nil {
                throw record.fault(key, "the machine says this; remove the key, or machine")
            }
            namesMachines = true
            machines = []
            for place in names {
                guard case .text(let name) = place.value else { continue }
                let found = try Scenario.found(place) { try machine(name) }
                let copy = try found.file.map { file throws(Fault) in try add(file, place) }
                machines.append((copy ?? name, found.configuration, copy != nil))
            }
        } else {
            do {
                machines = [("", try MachineConfiguration(cpus: cpus, memoryBytes: memory, series: .v10), false)]
            } catch {
                throw record.fault("memory", "\(error)")
            }
        }
        hosts = record.integer("hosts") ?? hosts
        assignment = record.text("assignment").flatMap { Assignment(rawValue: $0) } ?? assignment
        duration = record.duration("duration") ?? duration
        measureFrom = record.duration("measure_from") ?? measureFrom
        if measureFrom >= duration {
            throw record.fault("measure_from", "this is not before the end; give less than duration")
        }
        step = record.duration("timeline_step") ?? max(1_000_000_000, min(step, duration / 24))
        if step > duration - measureFrom {
            let most = Quantities.period(duration - measureFrom)
            throw record.fault("timeline_step", "this is longer than what is measured; give at most \(most)")
        }
        if (duration - measureFrom) / step > 100_000 {
            throw record.fault("timeline_step", "this makes more than 100000 lines a run; give longer steps")
        }
        seed = record.integer("seed") ?? seed
        seeds = record.integer("seeds") ?? seeds
        snpPercent = record.decimals("snp_percent") ?? snpPercent
        placements = record.texts("placement") ?? placements
        poolPercent = record.decimals("pool_percent")
        if poolPercent != nil && !placements.contains(PlacementWords.pool) {
            throw record.fault("pool_percent", "no placement is pool; remove the key, or add pool to placement")
        }
        hostPercent = record.decimals("host_percent") ?? hostPercent
        cachePercent = record.decimals("page_cache_percent") ?? cachePercent
        snpBacking = try backings(record, "snp_backing") ?? snpBacking
        ordinaryBacking = try backings(record, "ordinary_backing") ?? ordinaryBacking
        try readTriggers(record)
        if let workload = record.record("workload") { try read(workload: workload, contents) }
        if record.fields["snp_percent"] != nil, let trace, trace.guests.allSatisfy({ $0.isSNP != nil }) {
            throw record.fault("snp_percent", "the trace says which are SNP guests; remove the key, or the column snp")
        }
        try refuseRepetitions(record)
        if let record = record.record("conversions") {
            conversionRates = record.decimals("per_hour") ?? conversionRates
            conversions.size = record.bytes("size") ?? conversions.size
            conversions.hold = record.duration("hold") ?? conversions.hold
        }
    }

    /// What is behind a name in the file, or an error with the name's place.
    private static func found<Found>(_ place: Place, _ find: () throws -> Found) throws -> Found {
        do {
            return try find()
        } catch let error as MachineFileError {
            throw error
        } catch {
            throw place.fault("\(error)")
        }
    }

    private func backings(_ record: Record, _ key: String) throws(Fault) -> [Backing]? {
        record.texts(key)?.compactMap { word in BackingWords.all.first { $0.word == word }?.value }
    }

    /// A value that appears twice in a list would be run twice, to the same results.
    private func refuseRepetitions(_ record: Record, _ keys: [Key] = ScenarioSchema.root) throws(Fault) {
        for key in keys {
            if case .mapping(let inner) = key.kind, let inside = record.record(key.name) {
                try refuseRepetitions(inside, inner)
            }
            guard case .oneOrMore = key.kind else { continue }
            var known: Set<String> = []
            for place in record.list(key.name) ?? [] where !known.insert("\(place.value)").inserted {
                throw place.fault("this value appears twice in the list; remove one")
            }
        }
    }

    private mutating func readTriggers(_ record: Record) throws(Fault) {
        var known = Series.all.map { Trigger($0) } + TriggerWords.shipped
        for record in record.records("triggers") ?? [] {
            let trigger = try Scenario.trigger(record)
            if known.contains(where: { $0.name == trigger.name }) {
                throw record.fault("name", "there is a trigger \(shown(trigger.name)) already; give another name")
            }
            known.append(trigger)
        }
        guard let places = record.list("trigger") else { return }
        triggers = []
        for place in places {
            guard case .text(let name) = place.value else { continue }
            guard let trigger = known.first(where: { $0.name == name || $0.series.aliases.contains(name) }) else {
                let names = known.map(\.name).joined(separator: ", ")
                throw place.fault("there is no trigger '\(shown(name))'; known are \(names)")
            }
            triggers.append(trigger)
        }
    }

    private static func trigger(_ record: Record) throws(Fault) -> Trigger {
        let series = record.text("passes").flatMap { Series.named($0) } ?? .v10
        var trigger = Trigger.never(series)
        trigger.name = record.text("name") ?? ""
        let own = series.atGuestEnd
        let batching = record.text("batching").flatMap { word in
            TriggerWords.batching.first { $0.word == word }?.value
        }
        let request = Trigger.Request(
            delay: record.duration("delay") ?? own?.delay ?? 0,
            batching: batching ?? own?.batching ?? .lastRequest
        )
        func isOn(_ key: String, _ usual: Bool) -> Bool {
            if case .flag(let value) = record.fields[key]?.value { value } else { usual }
        }
        if isOn("guest_end", true) {
            trigger.atGuestEnd = request
            trigger.guestEndPoint = series.guestEndPoint == .never ? .afterDecommission : series.guestEndPoint
        }
        if isOn("conversion", false) { trigger.atConversion = request }
        if isOn("freed_region", false) { trigger.atFreedRegion = request }
        trigger.period = record.duration("period")
        trigger.scope =
            record.text("scope").flatMap { word in
                TriggerWords.scopes.first { $0.word == word }?.value
            } ?? .whole
        return trigger
    }

    private mutating func read(workload record: Record, _ contents: (String) throws -> ScenarioFile) throws {
        if let name = record.text("trace") {
            for key in ["arrivals_per_hour", "sizes", "lifetimes", "guests_per_tenant", "starts_full"]
            where record.fields[key] != nil {
                throw record.fault(key, "the trace says this; remove the key, or trace")
            }
            guard let place = record.fields["trace"] else { return }
            let file = try Scenario.found(place) { try contents(name) }
            let nodes = machines.reduce(Set(0...1_023)) { nodes, machine in
                nodes.intersection(machine.configuration.memory.spans.map(\.node))
            }
            trace = (try add(file, place), try Trace.read(file.bytes, file: file.path, nodes: nodes))
            tracePercent = record.decimal("trace_percent") ?? tracePercent
        } else if record.fields["trace_percent"] != nil {
            throw record.fault("trace_percent", "there is no trace; give trace, or remove the key")
        }
        arrivals = record.decimals("arrivals_per_hour") ?? arrivals
        if let sizes = record.records("sizes") {
            generator.sizes = sizes.map {
                Generator.Size(
                    share: $0.decimal("percent") ?? 0,
                    memory: $0.bytes("memory") ?? 0,
                    vcpus: $0.integer("vcpus") ?? 1
                )
            }
            let sum = generator.sizes.reduce(0) { $0 + $1.share }
            if abs(sum - 100) > 0.01 {
                throw record.fault("sizes", "the percentages add up to \(Decimal.text(sum)); make them add up to 100")
            }
        }
        if let points = record.records("lifetimes") {
            var curve = points.map { ($0.duration("age") ?? 0, ($0.decimal("alive_percent") ?? 0) / 100) }
            if curve[0].0 > 0 { curve.insert((0, 1), at: 0) }
            for (index, point) in zip(points, curve.suffix(points.count)).enumerated() where index > 0 {
                let before = curve.suffix(points.count)[curve.count - points.count + index - 1]
                if point.1.0 <= before.0 || point.1.1 > before.1 {
                    throw point.0.fault("ages must rise and alive_percent must not; correct this entry")
                }
            }
            guard curve[0].1 == 1, curve[curve.count - 1].1 == 0, curve.count > 1 else {
                throw record.fault("lifetimes", "begin at 100 alive_percent and end at 0")
            }
            generator.lifetimes = Survival(curve.map { (age: $0.0, share: $0.1) })
        }
        generator.guestsPerTenant = record.decimal("guests_per_tenant") ?? generator.guestsPerTenant
        if case .flag(let value) = record.fields["starts_full"]?.value { generator.startsFull = value }
    }
}

extension Record {
    /// The numbers of a list.
    fileprivate func decimals(_ key: String) -> [Double]? {
        list(key)?.compactMap { if case .decimal(let value) = $0.value { value } else { nil } }
    }

    /// The texts of a list.
    fileprivate func texts(_ key: String) -> [String]? {
        list(key)?.compactMap { if case .text(let value) = $0.value { value } else { nil } }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Builds a machine from a checked file: fills in defaults, and traces what the model refuses to its key.

import RMPModel

/// Builds the machine of a file.
struct Builder {
    let file: Record

    /// The machine.
    func configuration() throws(Fault) -> MachineConfiguration {
        guard let cpus = file.record("cpus"), let spans = file.records("memory") else {
            throw file.fault("cpus and memory are missing; give both")
        }
        let topology = try TopologyBuilder(cpus: cpus).topology()
        let memory = try MemoryBuilder(spans: spans).memory(topology)
        let distances = try distances(topology)
        let processor = try processor()
        let rmp = try rmp(processor, memory)
        do {
            let machine = try MachineConfiguration(
                processor: processor,
                topology: topology,
                memory: memory,
                distances: distances,
                rmp: rmp,
                firmware: try firmware(),
                series: file.text("series").flatMap { Series.named($0) } ?? .v1,
                windows: Words.value(file.text("windows"), in: Words.windows) ?? .series,
                boot: boot(),
                costs: costs()
            )
            return try withGivenFixedPages(machine)
        } catch let fault as Fault {
            throw fault
        } catch let error as ConfigurationError {
            throw Tracing(file: file).fault(error)
        } catch {
            throw file.fault("\(error)")
        }
    }

    private func rmp(_ processor: Processor, _ memory: MemoryMap) throws(Fault) -> RMPLayout? {
        if let record = file.record("rmp") { return try RMPBuilder(record: record).layout() }
        do {
            return try UsualRMP(memory: memory, processor: processor).layout()
        } catch {
            throw file.fault("memory", error.text)
        }
    }

    private func distances(_ topology: Topology) throws(Fault) -> NUMADistances? {
        guard let rows = file.list("distances") else { return nil }
        let numbers = rows.map { row -> [Int] in
            guard case .list(let places) = row.value else { return [] }
            return places.compactMap { if case .integer(let value) = $0.value { value } else { nil } }
        }
        do {
            return try NUMADistances(rows: numbers, nodeCount: topology.nodeCount)
        } catch {
            let wrong = numbers.indices.first { row in
                numbers[row].count != topology.nodeCount || numbers[row][row] != NUMADistances.limits.lowerBound
            }
            if numbers.count == topology.nodeCount, let wrong { throw rows[wrong].fault("\(error)") }
            throw file.fault("distances", "\(error)")
        }
    }

    private func processor() throws(Fault) -> Processor {
        var processor = Processor.venice
        guard let record = file.record("processor") else { return processor }
        for feature in ProcessorKeys.all {
            if let place = record.fields[feature.name] { feature.set(&processor, place.value) }
        }
        let smallest = record.integer("segment_shift_min") ?? Int(processor.segmentShifts.lowerBound)
        let largest = record.integer("segment_shift_max") ?? Int(processor.segmentShifts.upperBound)
        guard smallest <= largest else {
            let key = record.fields["segment_shift_min"] == nil ? "segment_shift_max" : "segment_shift_min"
            throw record.fault(key, "the smallest shift is \(smallest) and the largest \(largest); exchange them")
        }
        processor.segmentShifts = UInt8(clamping: smallest)...UInt8(clamping: largest)
        return processor
    }

    /// Firmware's pages, if the file lists the assigned ones; nil for the default.
    private func firmware() throws(Fault) -> FirmwarePages? {
        guard let record = file.record("firmware"), let pages = record.records("pages") else { return nil }
        return try pagesOf(assigned: pages.map(range), record)
    }

    /// HV-fixed pages only: the assigned ones are the default, which depends on the whole machine.
    private func withGivenFixedPages(_ machine: MachineConfiguration) throws -> MachineConfiguration {
        guard let record = file.record("firmware"),
            record.fields["hv_fixed"] != nil,
            record.fields["pages"] == nil
        else { return machine }
        return try MachineConfiguration(
            processor: machine.processor,
            topology: machine.topology,
            memory: machine.memory,
            distances: machine.distances,
            rmp: machine.rmp,
            firmware: try pagesOf(assigned: machine.firmware.assigned, record),
            series: machine.series,
            windows: machine.windows,
            boot: machine.boot,
            costs: machine.costs
        )
    }

    private func pagesOf(assigned: [Range<UInt64>], _ record: Record) throws(Fault) -> FirmwarePages {
        let fixed = record.records("hv_fixed")?.map(range) ?? FirmwarePages.usualFixed
        do {
            return try FirmwarePages(assigned: assigned, hypervisorFixed: fixed)
        } catch {
            throw Tracing(file: file).fault(error)
        }
    }

    private func range(_ record: Record) -> Range<UInt64> { record.range(size: "size") }

    private func boot() -> BootPlan {
        var plan = BootPlan()
        guard let record = file.record("boot") else { return plan }
        plan.stage = Words.value(record.text("stage"), in: Words.stages) ?? plan.stage
        plan.firmwareDelay = record.duration("firmware_delay").map { .nanoseconds($0) } ?? plan.firmwareDelay
        let fails = Words.value(record.text("window_allocation"), in: Words.allocation)
        plan.windowAllocationFails = fails ?? plan.windowAllocationFails
        plan.driverFailures = Words.value(record.text("driver_failure"), in: Words.driverFailures) ?? []
        plan.logView = Words.value(record.text("log"), in: Words.logViews) ?? plan.logView
        plan.workerCPU = record.integer("worker_cpu") ?? plan.workerCPU
        plan.kvmIsBuiltIn = Words.value(record.text("kvm"), in: Words.kvm) ?? plan.kvmIsBuiltIn
        plan.lateMemoryBytes = record.bytes("late_memory") ?? plan.lateMemoryBytes
        return plan
    }

    private func costs() -> CostModel {
        var costs = CostModel.standard
        guard let record = file.record("costs") else { return costs }
        for parameter in CostKeys.all {
            switch record.fields[parameter.name]?.value {
            case .duration(let value): costs[keyPath: parameter.path] = value
            case .integer(let value): costs[keyPath: parameter.path] = UInt64(clamping: value)
            default: break
            }
        }
        return costs
    }
}

extension Record {
    /// The bytes from the key `start` on. Sums cannot overflow: the schema keeps each below 2^47.
    func range(size key: String) -> Range<UInt64> {
        let start = bytes("start") ?? 0
        return start..<(start + (bytes(key) ?? 0))
    }
}

// SPDX-License-Identifier: Apache-2.0
// The machine: the parts put together, and time as an argument. It holds no clock; whoever looks brings it up to date.

/// An SNP host with RMPOPT that has booted.
///
/// A value: a copy is a fork of the whole machine, at the cost of what is changed afterwards. The same commands at the
/// same times always give the same machine.
public struct Machine: Sendable {
    /// What the machine was built from.
    public let configuration: MachineConfiguration
    /// Virtual time since boot, in ns. Never goes backwards.
    public private(set) var now: UInt64 = 0

    private(set) var topology: Topology
    var platform: Platform
    private(set) var firmware: Firmware
    var guests: Guests
    private(set) var driver: Driver
    private(set) var work = WorkQueue()

    /// Boots: SNP_INIT_EX, RMPOPT_BASE 0 with RMPOPT_EN on every core, then the boot pass, run to its end.
    ///
    /// Afterwards everything that can be optimized is, and `now` is the end of the boot pass.
    ///
    /// Source: series v1 patches 2/6 and 4/6. Time counts from the start of the boot pass.
    public init(_ configuration: MachineConfiguration) {
        self.configuration = configuration
        topology = configuration.topology
        let regions = configuration.memory.regionCount
        platform = Platform(
            rmp: RMP(regionCount: regions),
            rmpopt: RMPOPTTables(coreCount: topology.coreCount, regionCount: regions)
        )
        firmware = Firmware(configuration)
        guests = Guests(configuration, firmware: firmware)
        driver = Driver(series: configuration.series, costs: configuration.costs)
        firmware.initialize(&platform)
        platform.rmpopt.program(RMPOPTBase(enabledFrom: SPA(0)), cores: 0..<topology.coreCount)
        if driver.begin(.boot, at: 0, platform, topology) { schedulePass() }
        runToIdle()
    }

    // MARK: Time

    /// When the next work falls due, in ns of virtual time; nil when nothing is pending.
    public var nextDue: UInt64? { work.next?.due }

    /// Applies all work that is due at `time` or before, in the order of due times, and moves `now` there. A time in
    /// the past changes nothing.
    public mutating func advance(to time: UInt64) {
        if let due = work.next?.due, due <= time { drain(until: time) }
        if time > now { now = time }
    }

    /// Advances until no work is pending; `now` is then the time of the last work, or as before when there was none.
    public mutating func runToIdle() { drain(until: .max) }

    /// Each step either ends its work or makes a region or frame of progress, so that this ends even when due times
    /// have reached the largest value.
    private mutating func drain(until limit: UInt64) {
        while let item = work.next, item.due <= limit {
            if item.due > now { now = item.due }
            let last: UInt64
            switch item.kind {
            case .pass:
                last = item.due
                replaceNext(item.kind, due: driver.step(&platform))
            case .teardown(let id):
                // As many frames at once as nothing else comes between.
                let horizon = min(limit, work.second.map { $0.due > 0 ? $0.due - 1 : 0 } ?? .max)
                let progress = guests.tearDownFrames(id, until: horizon, &platform, configuration.costs)
                last = progress.last
                replaceNext(item.kind, due: progress.next)
            }
            if last > now { now = last }
        }
    }

    private mutating func replaceNext(_ kind: Work.Kind, due: UInt64?) {
        if let due {
            work.replaceTop(with: Work(due: due, kind: kind))
        } else {
            _ = work.pop()
        }
    }

    private mutating func schedulePass() {
        if let due = driver.running?.due { work.push(Work(due: due, kind: .pass)) }
    }

    private mutating func scheduleTeardown(_ id: GuestID) {
        if let guest = guests[id], guest.state == .ending {
            work.push(Work(due: guest.teardown.due, kind: .teardown(id)))
        }
    }

    // MARK: Commands

    /// Advances to `time`, then does what the command asks for.
    ///
    /// - Parameters:
    ///   - command: what to do.
    ///   - time: when, in ns of virtual time; a time in the past counts as `now`.
    /// - Returns: see `CommandResult`.
    /// - Throws: `CommandError`; the time has advanced all the same.
    @discardableResult
    public mutating func perform(_ command: Command, at time: UInt64) throws(CommandError) -> CommandResult {
        advance(to: time)
        switch command {
        case .reoptimize:
            guard driver.request(at: now, platform, topology) else { return .passAbsorbed }
            schedulePass()
            return .passBegun
        case .createGuest(let name):
            return .guest(try guests.create(name))
        case .setGuestMemory(let id, let bytes):
            try guests.setMemory(id, bytes)
        case .setGuestBacking(let id, let backing):
            try guests.setBacking(id, backing)
        case .setGuestPlacement(let id, let placement):
            try guests.setPlacement(id, placement)
        case .setGuestNode(let id, let node):
            try guests.setNode(id, node)
        case .setGuestVCPUs(let id, let count):
            try guests.setVCPUs(id, count)
        case .startGuest(let id):
            try start(id)
        case .stopGuest(let id):
            try stop(id)
        case .removeGuest(let id):
            try stop(id)
            try guests.remove(id)
        case .convert(let id, let gpa, let toPrivate):
            return .work(try guests.convert(id, gpa, toPrivate: toPrivate, &platform, configuration.costs))
        case .validate(let id, let gpa, let size):
            return .work(try guests.validate(id, gpa, size, &platform, configuration.costs))
        case .leak(let pages):
            try guests.leak(pages, &platform)
            return .leaked(pages)
        case .rmpupdate(let spa, let input):
            let code = platform.rmpupdate(spa, input)
            if code != .success { throw .rmp(code) }
        case .psmash(let spa):
            let code = platform.psmash(spa)
            if code != .success { throw .rmp(code) }
        case .rmpopt(let cpu, let spa, let function):
            return .carry(try rmpopt(cpu, spa, function))
        }
        return .done
    }

    private mutating func start(_ id: GuestID) throws(CommandError) {
        do {
            try guests.start(id, at: now, &platform, firmware, configuration.costs)
        } catch {
            // A launch that failed half-way leaves the guest ending.
            if case .rmp = error { scheduleTeardown(id) }
            throw error
        }
    }

    private mutating func stop(_ id: GuestID) throws(CommandError) {
        if try guests.known(id).state != .running { return }
        guests.releaseVCPUs(id, &platform, firmware)
        // Series v3 and v4 ask for a pass here, before decommission; v5 and later behind it.
        guests.decommission(id, &platform, firmware)
        guests.beginTeardown(id, at: now, platform.rmp, configuration.costs)
        scheduleTeardown(id)
    }

    private mutating func rmpopt(_ cpu: Int, _ spa: SPA, _ function: UInt64) throws(CommandError) -> Bool {
        guard topology.online.contains(cpu) else { throw .invalid(.cpu(cpu)) }
        do {
            let core = topology.coreOfCPU[cpu]
            return try platform.rmpopt.execute(core: core, spa: spa, function: function, rmp: platform.rmp)
        } catch {
            throw .fault(error)
        }
    }
}

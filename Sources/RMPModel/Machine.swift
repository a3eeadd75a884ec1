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

    var topology: Topology
    var platform: Platform
    var firmware: Firmware
    var guests: Guests
    var driver: Driver
    var log = KernelLog()
    var work = WorkQueue()
    /// Whether CPU hotplug is disabled.
    var hotplugIsForbidden = false
    /// Grows with each CPU that comes or goes: what readers print of CPUs is then out of date.
    var onlineGeneration: UInt64 = 0
    /// How many #UD faults the kernel has taken because it executed RMPOPT on a core whose RMPOPT_EN is 0.
    var opcodeFaults: UInt64 = 0
    /// Whether the kernel has warned of a decommission that failed; it does so once.
    var hasWarnedOfDecommission = false
    /// Whether KVM has warned of a guest's page that could not be taken back; likewise.
    var hasWarnedOfGuestPage = false

    /// Boots as far as the configuration's plan says, and runs everything to its end that this sets going.
    ///
    /// Time counts from the kernel's boot. Afterwards everything that the version of the series optimizes is.
    public init(_ configuration: MachineConfiguration) {
        self.configuration = configuration
        topology = configuration.topology
        let regions = configuration.memory.regionCount
        platform = Platform(
            rmp: RMP(
                regionCount: regions,
                coverage: RMPCoverage(configuration.rmp, configuration.processor, regionCount: regions)
            ),
            rmpopt: RMPOPTTables(coreCount: topology.coreCount, regionCount: regions),
            msrs: MSRs(configuration.processor, configuration.rmp)
        )
        firmware = Firmware(configuration)
        guests = Guests(configuration, firmware: firmware)
        driver = Driver(configuration)
        bootKernel()
        runToIdle()
        if configuration.boot.stage == .firmware {
            advance(to: now.addingClamped(configuration.boot.firmwareDelay))
            // A host whose firmware cannot be initialised has booted all the same; its log tells why.
            try? initializeFirmware()
            runToIdle()
        }
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
            // Until when nothing else comes between: so far a pass or a teardown goes at once.
            let horizon = min(limit, work.second.map { $0.due > 0 ? $0.due - 1 : 0 } ?? .max)
            switch item.kind {
            case .pass: stepPass(until: horizon)
            case .delayedPass:
                _ = work.pop()
                firePending()
            case .threadSleep: _ = work.pop()
            case .teardown(let id):
                let progress = guests.tearDownFrames(id, until: horizon, &platform, configuration.costs)
                replaceNext(item.kind, due: progress.next)
                if progress.last > now { now = progress.last }
                noteTeardown(progress)
            }
        }
    }

    private mutating func replaceNext(_ kind: Work.Kind, due: UInt64?) {
        if let due {
            work.replaceTop(with: Work(due: due, kind: kind))
        } else {
            _ = work.pop()
        }
    }

    private mutating func scheduleTeardown(_ id: GuestID) {
        if let guest = guests[id], guest.state == .ending {
            work.push(Work(due: guest.teardown.due, kind: .teardown(id)))
        }
    }

    /// What the end of some frames of a guest sets going: a pass for each inode of guest_memfd in the versions that
    /// have that trigger, and lines about pages that could not be taken back.
    private mutating func noteTeardown(_ progress: TeardownProgress) {
        noteRefusals()
        if configuration.series.guestEndPoint == .inodeFree {
            for _ in 0..<progress.inodesFreed { requestPass(.guestEnd) }
        }
    }

    // MARK: Passes

    /// Asks for a pass and puts what comes of it into the queue.
    @discardableResult
    mutating func requestPass(_ trigger: PassTrigger) -> RequestOutcome {
        let outcome = driver.request(trigger, at: now, platform, topology)
        switch outcome {
        case .begun: passHasBegun()
        case .scheduled:
            work.remove(.delayedPass)
            if let pending = driver.pending, !pending.isQueued {
                work.push(Work(due: pending.due, kind: .delayedPass))
            }
        case .absorbed, .lost, .ignored: break
        }
        return outcome
    }

    private mutating func passHasBegun() {
        guard let pass = driver.running else { return }
        say(.passBegins(driver.bytes))
        noteFaults(pass.record.faultingCPUs)
        if !driver.isStuck { work.push(Work(due: pass.due, kind: .pass)) }
    }

    private mutating func stepPass(until horizon: UInt64) {
        let progress = driver.step(&platform, until: horizon, isContended: guests.anyEnding)
        if let progress, progress.last > now { now = progress.last }
        replaceNext(.pass, due: progress?.next)
        if progress?.next != nil { return }
        if driver.awakeUntil > now { work.push(Work(due: driver.awakeUntil, kind: .threadSleep)) }
        // The work item that waited for this run to end.
        if driver.pending?.isQueued == true { firePending() }
    }

    private mutating func firePending() {
        if driver.skipsPasses {
            driver.skipPending()
            say(.passSkipped)
        } else if driver.fire(at: now, platform, topology) {
            passHasBegun()
        }
    }

    /// A fault that a client asked for: passes neither go on nor end while it lasts.
    private mutating func holdPasses(_ hold: Bool) {
        if hold == driver.isStuck { return }
        driver.isStuck = hold
        if hold {
            work.remove(.pass)
        } else if driver.running != nil {
            driver.resume(at: now, platform)
            if let due = driver.running?.due { work.push(Work(due: due, kind: .pass)) }
        }
    }

    // MARK: The kernel's log

    /// - Returns: whether the version of the series says it.
    @discardableResult
    mutating func say(_ message: KernelMessage) -> Bool {
        guard let level = message.level(in: configuration.series) else { return false }
        log.write(level, at: now, message.text(in: configuration.series))
        return true
    }

    /// CPUs that executed RMPOPT with RMPOPT_EN 0: #UD each, of which the kernel's log tells the first.
    mutating func noteFaults(_ count: Int) {
        if count == 0 { return }
        opcodeFaults &+= UInt64(count)
        say(.invalidOpcode(number: Int(truncatingIfNeeded: opcodeFaults), cpu: 0))
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
        case .reoptimize: return .pass(requestPass(.request))
        case .createGuest(let name): return .guest(try guests.create(name))
        case .setGuestMemory(let id, let bytes): try guests.setMemory(id, bytes)
        case .setGuestBacking(let id, let backing): try guests.setBacking(id, backing)
        case .setGuestPlacement(let id, let placement): try guests.setPlacement(id, placement)
        case .setGuestNode(let id, let node): try guests.setNode(id, node)
        case .setGuestVCPUs(let id, let count): try guests.setVCPUs(id, count)
        case .startGuest(let id): try start(id)
        case .stopGuest(let id): try stop(id)
        case .removeGuest(let id):
            try stop(id)
            try guests.remove(id)
        case .convert(let id, let gpa, let toPrivate):
            defer { noteRefusals() }
            return .work(try guests.convert(id, gpa, toPrivate: toPrivate, &platform, configuration.costs))
        case .validate(let id, let gpa, let size):
            return .work(try guests.validate(id, gpa, size, &platform, configuration.costs))
        case .leak(let pages):
            if !platform.snpEnabled { throw .noSNP }
            try guests.leak(pages, &platform)
            noteLeak(pages)
            return .leaked(pages)
        case .setOnline(let cpu, let online): try setOnline(cpu, online)
        case .initializeFirmware: try initializeFirmware()
        case .shutDownFirmware(let x86): try shutDownFirmware(x86: x86)
        case .failFirmware(let count): firmware.failuresLeft = count
        case .failDecommission(let count): firmware.decommissionFailuresLeft = count
        case .kexec: try kexec()
        case .holdPasses(let hold): holdPasses(hold)
        case .rmpupdate(let spa, let input): try rmpupdate(spa, input)
        case .psmash(let spa):
            if !platform.snpEnabled { throw .noSNP }
            let code = platform.psmash(spa)
            if code != .success { throw .rmp(code) }
        case .firmwareChange(let spa, let change, let gpa):
            if firmware.state == .uninitialized { throw .noSNP }
            guard platform.rmp.change(spa.pfn, by: change, gpa: gpa) != nil else { throw .invalid(.pageState) }
        case .lock(let spa, let isLocked):
            if !platform.rmp.setLock(spa.pfn, isLocked) { throw .invalid(.pageState) }
        case .pvalidate(let spa, let gpa, let asid, let size, let validate):
            do {
                return .pvalidate(
                    try platform.rmp.pvalidate(spa.pfn, gpa: gpa, asid: asid, size: size, validate: validate)
                )
            } catch {
                throw .nestedFault(error)
            }
        case .wrmsr(let cpu, let number, let value):
            guard topology.online.contains(cpu) else { throw .invalid(.cpu(cpu)) }
            do { try platform.wrmsr(number, value, core: topology.coreOfCPU[cpu]) } catch { throw .msr(error) }
        case .rmpopt(let cpu, let spa, let function): return .carry(try rmpopt(cpu, spa, function))
        }
        return .done
    }

    private mutating func start(_ id: GuestID) throws(CommandError) {
        let state = try guests.known(id).state
        if state == .stopped && firmware.state == .uninitialized { throw .noSNP }
        defer { noteRefusals() }
        do {
            try guests.start(id, at: now, &platform, &firmware, configuration.costs)
        } catch {
            // A launch that failed half-way leaves the guest ending.
            if case .rmp = error { scheduleTeardown(id) }
            throw error
        }
    }

    private mutating func stop(_ id: GuestID) throws(CommandError) {
        if try guests.known(id).state != .running { return }
        let point = configuration.series.guestEndPoint
        guests.releaseVCPUs(id, &platform, firmware)
        noteRefusals()
        if point == .beforeDecommission { requestPass(.guestEnd) }
        let isDecommissioned = guests.decommission(id, &platform, &firmware)
        noteRefusals()
        if !isDecommissioned { noteFailedDecommission() }
        guests.beginTeardown(id, at: now, platform.rmp, configuration.costs)
        scheduleTeardown(id)
        // Without it `sev_vm_destroy()` returns early (series v5 and later).
        if point == .afterDecommission && isDecommissioned { requestPass(.guestEnd) }
    }

    /// The kernel warns of the first one since boot only.
    private mutating func noteFailedDecommission() {
        if hasWarnedOfDecommission { return }
        hasWarnedOfDecommission = true
        say(.decommissionFailed)
    }

    /// Linux repeats an update that overlaps for ever; here it fails without a line in the log.
    private mutating func rmpupdate(_ spa: SPA, _ input: RMPUpdateInput) throws(CommandError) {
        if !platform.snpEnabled { throw .noSNP }
        let code = platform.rmpupdate(spa, input)
        let refusals = platform.takeRefusals()
        // What is no memory is refused by the kernel before the instruction, and without a line (`pfn_valid()`).
        let bytes = input.pageSize == .size2M ? Granularity.frame : Granularity.page
        let start = spa.rawValue.alignedDown(to: Granularity.page)
        if configuration.memory.contains(start..<start.addingClamped(bytes)) { refusals.forEach { noteRefused($0) } }
        if code != .success { throw .rmp(code) }
    }

    private mutating func rmpopt(_ cpu: Int, _ spa: SPA, _ function: UInt64) throws(CommandError) -> Bool {
        guard topology.online.contains(cpu) else { throw .invalid(.cpu(cpu)) }
        do {
            return try platform.rmpopt(core: topology.coreOfCPU[cpu], spa, function: function)
        } catch {
            throw .fault(error)
        }
    }
}

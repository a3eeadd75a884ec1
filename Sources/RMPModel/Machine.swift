// SPDX-License-Identifier: Apache-2.0
// The machine: the parts put together, with time as an argument. It holds no clock; callers bring it up to date.

/// A booted SNP host with RMPOPT.
///
/// A value: a copy is a fork of the whole machine and costs only what changes afterwards. The same commands at the same
/// times always give the same machine.
public struct Machine: Sendable {
    /// What the machine was built from.
    public var configuration: MachineConfiguration { _read { yield boxedConfiguration.value } }
    private let boxedConfiguration: Boxed<MachineConfiguration>
    /// Virtual time since boot, in ns. Never goes backwards.
    public private(set) var now: UInt64 = 0

    var topology: Topology
    var platform: Platform
    var firmware: Firmware
    var guests: Guests
    var driver: Driver
    /// When the chunks of ending guests are returned.
    var work = WorkQueue()
    /// Whether CPU hotplug is disabled.
    var hotplugIsForbidden = false
    /// Whether the memory that is added later is online.
    var hasLateMemory: Bool
    /// Warnings that the running kernel prints only once and has already printed.
    var warned: Set<OneTimeWarning> = []

    /// Boots as far as the configuration's plan says, and completes everything that this starts.
    ///
    /// Time counts from the kernel's boot. Afterwards everything that the version of the series optimizes is optimized.
    public init(_ configuration: MachineConfiguration) {
        boxedConfiguration = Boxed(configuration)
        topology = configuration.topology
        let regions = configuration.memory.regionCount
        platform = Platform(
            rmp: RMP(
                regionCount: regions,
                coverage: RMPCoverage(configuration.rmp, configuration.processor, regionCount: regions)
            ),
            rmpopt: RMPOPTTables(coreCount: topology.coreCount, regionCount: regions),
            msrs: MSRs(configuration.processor, configuration.rmp),
            cpuCount: topology.cpuCount,
            events: EventStream(series: configuration.series)
        )
        firmware = Firmware(configuration)
        guests = Guests(configuration, firmware: firmware)
        driver = Driver(configuration)
        hasLateMemory = configuration.lateMemory.isEmpty
        bootKernel()
        runToIdle()
        if configuration.boot.stage == .firmware && !configuration.boot.kvmIsBuiltIn {
            advance(to: now.addingClamped(UInt64(nanosecondsIn: configuration.boot.firmwareDelay)))
            // A host whose firmware cannot be initialised has still booted; its log says why.
            try? initializeFirmware()
            runToIdle()
        }
    }

    // MARK: Time

    /// When the next work falls due, in ns of virtual time; nil when nothing is pending.
    public var nextDue: UInt64? {
        guard let teardown = work.min?.due else { return driver.next }
        return driver.next.map { min($0, teardown) } ?? teardown
    }

    /// Does all work that is due at `time` or before, in order of due times, and moves `now` there. A time in the past
    /// changes nothing.
    public mutating func advance(to time: UInt64) {
        if time >= now { advance(to: time, effort: .max) }
    }

    /// Moves `now` to `time` if no work is due by then.
    ///
    /// - Returns: whether it did; if not, nothing has changed.
    public mutating func advanceWhileIdle(to time: UInt64) -> Bool {
        if let due = nextDue, due <= time { return false }
        move(to: time)
        return true
    }

    /// The same in pieces: stops on the way once it has done `effort`. `now` is then a moment before `time`, and the
    /// machine is as it is at that moment. However it is split, the machine is the same at the end.
    ///
    /// - Parameter effort: in chunks of 2 MB that are returned, more than 0. At least one step is done; the total may
    ///   exceed `effort` a little, and by at most 16,384 where guests end together.
    /// - Returns: whether `time` has been reached.
    @discardableResult
    public mutating func advance(to time: UInt64, effort: Int) -> Bool {
        if advanceWhileIdle(to: time) { return true }
        guard drain(until: time, effort) else { return false }
        move(to: time)
        return true
    }

    /// Advances until no work is pending; `now` is then the time of the last work, or unchanged if there was none.
    public mutating func runToIdle() { runToIdle(effort: .max) }

    /// The same in pieces, as `advance(to:effort:)`.
    ///
    /// - Returns: whether no work is pending.
    @discardableResult
    public mutating func runToIdle(effort: Int) -> Bool { drain(until: .max, effort) }

    private mutating func move(to time: UInt64) {
        if time > now { now = time }
        platform.events.time = now
    }

    /// Merges the work of guests and driver in order of due times; in the same nanosecond the guests' pages are
    /// returned first, so that a pass sees them. Each step finishes its work or advances by a region or chunk, so that
    /// this ends even when due times have reached the largest value.
    ///
    /// - Returns: false if it stopped early because it had done `effort`.
    private mutating func drain(until limit: UInt64, _ effort: Int) -> Bool {
        // Set once several guests have work due.
        var outlook: TeardownOutlook?
        var left = effort
        while true {
            let (teardown, next) = (work.min, driver.next)
            if left <= 0, let due = nextDue, due <= limit {
                let isUnderWay = teardown.flatMap { outlook?.isUnderWay($0) } ?? false
                if !isUnderWay { return false }
            }
            if let teardown, teardown.due <= next ?? .max {
                if teardown.due > limit { return true }
                let horizon = Work.end(of: min(limit, next ?? .max))
                if outlook == nil, let second = work.second, second < horizon { outlook = TeardownOutlook(work) }
                let end = outlook?.end(behind: teardown, until: limit, guests, platform.rmp, configuration.costs)
                let due = stepTeardown(teardown.guest, before: min(end ?? horizon, horizon), &left, goesOn: end != nil)
                if teardown == end { outlook?.didStep(teardown.guest, due: due) }
            } else if let next {
                if next > limit { return true }
                move(to: next)
                let horizon = min(limit, teardown.map { $0.due > 0 ? $0.due - 1 : 0 } ?? .max)
                move(to: driver.step(until: horizon, &platform, topology, isContended: teardown != nil))
                // Up to a whole pass, or a few regions between chunks of two guests.
                left -= teardown == nil ? 4_096 : 64
            } else {
                return true
            }
        }
    }

    /// Returns the guest's current chunk, and those after it whose turn is before `end`.
    ///
    /// - Returns: when the next one will be done; nil if the guest has ended.
    private mutating func stepTeardown(_ id: GuestID, before end: Work, _ effort: inout Int, goesOn: Bool) -> UInt64? {
        let progress = guests.tearDownChunks(
            id,
            before: end,
            effort: &effort,
            goesOn: goesOn,
            &platform,
            configuration.costs
        )
        if let due = progress.next {
            work.replaceMin(with: Work(due: due, guest: id))
        } else {
            _ = work.popMin()
        }
        move(to: progress.last)
        noteRefusals()
        // Series v2 requests a pass for each guest_memfd inode.
        if configuration.series.guestEndPoint == .inodeFree {
            for _ in 0..<progress.inodesFreed { requestPass(.guestEnd) }
        }
        return progress.next
    }

    private mutating func scheduleTeardown(_ id: GuestID) {
        if let guest = guests[id], guest.state == .ending {
            work.insert(Work(due: guest.teardown.due, guest: id))
        }
    }

    // MARK: Passes and log

    /// Requests a pass.
    @discardableResult
    mutating func requestPass(_ trigger: PassTrigger) -> RequestOutcome {
        if configuration.series.baseMoment == .requestWhileClear && trigger != .request { programWhileClear() }
        return driver.request(trigger, &platform, topology)
    }

    /// - Returns: whether the version of the series prints the message.
    @discardableResult
    mutating func say(_ message: KernelMessage) -> Bool { platform.events.say(message) }

    /// Writes a line of the simulator's own at level KERN_INFO, unless the last line of the log is the same.
    public mutating func note(_ text: String) {
        if logLines.last?.text != text { platform.events.publish(.line(.info, text)) }
    }

    /// Prints a warning that the kernel prints once after it starts.
    mutating func warnOnce(_ warning: OneTimeWarning, _ message: KernelMessage) {
        if warned.insert(warning).inserted { say(message) }
    }

    // MARK: Commands

    /// Advances to `time`, then carries out the command.
    ///
    /// - Parameters:
    ///   - command: what to do.
    ///   - time: when, in ns of virtual time; a time in the past counts as `now`, which is also the default.
    /// - Returns: see `CommandResult`.
    /// - Throws: `CommandError`; time has advanced even so.
    @discardableResult
    public mutating func perform(_ command: Command, at time: UInt64 = 0) throws(CommandError) -> CommandResult {
        advance(to: time)
        defer { platform.events.settle() }
        switch command {
        case .reoptimize: return .pass(requestPass(.request))
        case .createGuest(let name): return .guest(try guests.create(name, &platform.events))
        case .setGuestType(let id, let type): try guests.setType(id, type, &platform.events)
        case .setGuestMemory(let id, let bytes): try guests.setMemory(id, bytes)
        case .setGuestBacking(let id, let backing): try guests.setBacking(id, backing)
        case .setGuestPlacement(let id, let placement): try guests.setPlacement(id, placement)
        case .setGuestNode(let id, let node): try guests.setNode(id, node)
        case .setGuestVCPUs(let id, let count): try guests.setVCPUs(id, count)
        case .createVM(let id): try createVM(id)
        case .startGuest(let id): try start(id)
        case .stopGuest(let id): try stop(id)
        case .removeGuest(let id):
            try stop(id)
            try guests.remove(id, &platform.events)
        case .convert(let id, let gpa, let toPrivate):
            defer { noteRefusals() }
            return .work(try guests.convert(id, gpa.raw, toPrivate: toPrivate, &platform, configuration.costs))
        case .validate(let id, let gpa, let size):
            return .work(try guests.validate(id, gpa.raw, size, &platform, configuration.costs))
        case .leak(let pages):
            if !platform.snpEnabled { throw .noSNP }
            try guests.leak(pages.raw, &platform)
            noteLeak(pages.raw)
            return .leaked(pages)
        case .setOnline(let cpu, let online): try setOnline(cpu, online)
        case .initializeFirmware: try initializeFirmware()
        case .shutDownFirmware(let x86): try shutDownFirmware(x86: x86)
        case .failFirmware(let count): firmware.failuresLeft = count
        case .failDecommission(let count): firmware.decommissionFailuresLeft = count
        case .kexec(let cpus): try kexec(online: cpus)
        case .addMemory: addMemory()
        case .setHostMemory(let bytes): try setHostMemory(bytes)
        case .setPageCache(let bytes): try setPageCache(bytes)
        case .holdPasses(let hold): driver.hold(hold, platform)
        case .rmpupdate(let spa, let input): try rmpupdate(spa, input)
        case .psmash(let spa):
            if !platform.snpEnabled { throw .noSNP }
            let code = platform.psmash(spa)
            if code != .success { throw .rmp(code) }
        case .firmwareChange(let spa, let change, let gpa):
            if firmware.state == .uninitialized { throw .noSNP }
            guard platform.rmp.change(spa.pfn, by: change, gpa: gpa) != nil else { throw .invalid(.pageState) }
            platform.rmp.hasStrays = true
        case .lock(let spa, let isLocked):
            if !platform.rmp.setLock(spa.pfn, isLocked) { throw .invalid(.pageState) }
            platform.rmp.hasStrays = true
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

    /// A VM with nothing launched yet. For an SNP guest, KVM_SEV_INIT2: it has an ASID.
    private mutating func createVM(_ id: GuestID) throws(CommandError) {
        let guest = try guests.known(id)
        if guest.type == .snp && guest.state == .stopped && firmware.state == .uninitialized { throw .noSNP }
        try guests.createVM(id, &platform.events)
    }

    private mutating func start(_ id: GuestID) throws(CommandError) {
        let guest = try guests.known(id)
        let isStarting = guest.state == .stopped || guest.state == .created
        if guest.type == .snp && isStarting && firmware.state == .uninitialized { throw .noSNP }
        defer { noteRefusals() }
        do {
            let before = (hostMemory, pageCache)
            defer { noteHostUse(since: before) }
            try guests.start(id, at: now, &platform, &firmware, configuration.costs)
        } catch {
            // A launch that failed halfway leaves the guest ending.
            if case .rmp = error { scheduleTeardown(id) }
            throw error
        }
    }

    /// `sev_vm_destroy()`, which has nothing to do for an ordinary guest.
    private mutating func stop(_ id: GuestID) throws(CommandError) {
        let guest = try guests.known(id)
        guard guest.state == .running || guest.state == .created else { return }
        if guest.type == .ordinary { return guests.endOrdinary(id, &platform.events) }
        let point = configuration.series.guestEndPoint
        guests.releaseVCPUs(id, &platform, firmware)
        noteRefusals()
        if point == .beforeDecommission { requestPass(.guestEnd) }
        // A VM without a context has nothing to decommission, which counts as success.
        let succeeded = guests.decommission(id, &platform, &firmware)
        noteRefusals()
        if !succeeded { warnOnce(.decommission, .decommissionFailed) }
        guests.beginTeardown(id, at: now, &platform, configuration.costs)
        scheduleTeardown(id)
        // If it failed, `sev_vm_destroy()` returns early (series v5 and later).
        if point == .afterDecommission && succeeded { requestPass(.guestEnd) }
    }

    /// Linux retries an overlapping update forever; here it fails without a line in the log.
    private mutating func rmpupdate(_ spa: SPA, _ input: RMPUpdateInput) throws(CommandError) {
        if !platform.snpEnabled { throw .noSNP }
        let code = platform.rmpupdate(spa, input)
        let refusals = platform.takeRefusals()
        // The kernel refuses addresses that are not memory before the instruction, without a line (`pfn_valid()`).
        let bytes = input.pageSize == .size2M ? Granularity.chunk : Granularity.page
        let start = spa.rawValue.alignedDown(to: Granularity.page)
        if configuration.memory.contains(start..<start.addingClamped(bytes)) { refusals.forEach { noteRefused($0) } }
        if code != .success { throw .rmp(code) }
        // A free chunk with a page of nobody's is given to no guest.
        if input.asid != 0 || !guests.order.isEmpty && guests.allocator.isUsed(Int(spa.rawValue >> 21)) {
            platform.rmp.hasStrays = true
        }
    }

    private mutating func rmpopt(_ cpu: Int, _ spa: SPA, _ function: UInt64) throws(CommandError) -> Bool {
        guard topology.online.contains(cpu) else { throw .invalid(.cpu(cpu)) }
        do {
            return try platform.rmpopt(cpu: cpu, core: topology.coreOfCPU[cpu], spa, function: function)
        } catch {
            throw .fault(error)
        }
    }
}

/// What a kernel warns of only once (`WARN_ONCE()`, `pr_warn_once()`).
enum OneTimeWarning: Sendable, Hashable {
    /// A failed decommission.
    case decommission
    /// A guest's page that could not be reclaimed.
    case guestPage
    /// A faulting WRMSR.
    case msr
}

// SPDX-License-Identifier: Apache-2.0
// The naive machine: its parts, its time, and what it answers to each command.

@testable import RMPModel

/// What a machine was built from, which never changes. A class, so that copies cost little.
final class NaiveSetup: Sendable {
    let configuration: MachineConfiguration
    /// What this model knows about the version of the series; it uses none of the machine's own facts.
    let facts: NaiveSeries
    let present: Set<Int>
    /// Chunks with pages that firmware holds or has fixed, those of the RMP itself, and those that it does not cover:
    /// never free.
    let reserved: Set<UInt64>

    init(_ configuration: MachineConfiguration) {
        self.configuration = configuration
        facts = NaiveSeries.named(configuration.series.name)
        present = Set((0..<configuration.topology.cpuCount).filter { configuration.topology.present.contains($0) })
        let firmware = configuration.firmware
        let held = [configuration.rmp.head] + configuration.rmp.segments.map(\.table) + firmware.assigned
        let chunks = (held + firmware.hypervisorFixed)
            .flatMap { ($0.lowerBound >> 21)..<(($0.upperBound - 1) >> 21 + 1) }
        let rmp = NaiveRMP(configuration)
        let all = 0..<UInt64(configuration.memory.regionCount * 512)
        reserved = Set(chunks).union(all.filter { !rmp.exists($0 * 512) })
    }
}

/// A host as simple as can be: no summaries, no runs, one piece of work at a time.
struct NaiveMachine: Sendable {
    let setup: NaiveSetup
    var now: UInt64 = 0
    var rmp: NaiveRMP
    var rmpoptTables: NaiveRMPOPTTables
    /// SYSCFG without SNP_EN and VMPL_EN, and the CPUs that have these two set.
    var syscfg: UInt64 = 1 << 23
    var snpCPUs: Set<Int> = []
    var firmwareIsInitialized = false
    var failuresLeft: UInt64 = 0
    var decommissionFailuresLeft: UInt64 = 0
    /// ASIDs that a failed decommission has lost.
    var lostASIDs: Set<UInt16> = []
    var online: Set<Int>
    var hotplugIsForbidden = false
    var lateMemoryIsOnline = false

    /// By number, including those that were removed and are still ending.
    var guests: [UInt64: NaiveGuest] = [:]
    var guestCount: UInt64 = 0
    /// Chunks of the host itself in the order in which it took them, and of the page cache, the oldest first.
    var own: [UInt64] = []
    var cache: [UInt64] = []
    /// Pages that could not be taken back, and those among them that were control pages.
    var leaked: Set<UInt64> = []
    var leakedControls: Set<UInt64> = []

    /// Whether there is a thread or a workqueue to ask.
    var isSetUp = false
    /// The driver's own mask of CPUs that execute RMPOPT, and the regions of its passes.
    var mask: Set<Int> = []
    var range = 0..<0
    var isStuck = false
    var flag = false
    var pass: NaivePass?
    var pending: NaivePending?
    /// Until when the thread is awake after its pass, and when it falls asleep if that is still to come.
    var awakeUntil: UInt64 = 0
    var sleepDue: UInt64?
    var passes: [NaivePass] = []
    var passCount: UInt64 = 0
    var requests: [RequestOutcome: UInt64] = [:]
    var opcodeFaults: UInt64 = 0
    var rowsClearedBefore: UInt64 = 0

    /// Boots as far as the configuration says, and finishes the work that this starts.
    init(_ configuration: MachineConfiguration) {
        setup = NaiveSetup(configuration)
        let topology = configuration.topology
        rmp = NaiveRMP(configuration)
        rmpoptTables = NaiveRMPOPTTables(cores: topology.coreCount, regions: configuration.memory.regionCount)
        online = Set((0..<topology.cpuCount).filter { topology.online.contains($0) })
        bootKernel()
        runToIdle()
        if configuration.boot.stage == .firmware && !configuration.boot.kvmIsBuiltIn {
            advance(to: now + UInt64(nanosecondsIn: configuration.boot.firmwareDelay))
            try? initializeFirmware()
            runToIdle()
        }
        rmp.changes = []
    }

    // MARK: Time

    private enum Work { case chunk(UInt64), turn, pendingPass, sleep }

    /// The work that falls due next. What falls due at the same time comes in this order: guests by their numbers, the
    /// pass, the pending pass, the thread's sleep.
    private var nextWork: (due: UInt64, work: Work)? {
        var next: (due: UInt64, work: Work)?
        var lowest: UInt64 = 0
        for (id, guest) in guests where guest.state == .ending {
            if let next, next.due < guest.due || next.due == guest.due && lowest < id { continue }
            next = (guest.due, .chunk(id))
            lowest = id
        }
        func offer(_ due: UInt64?, _ work: Work) {
            if let due, next.map({ due < $0.due }) ?? true { next = (due, work) }
        }
        offer(isStuck ? nil : pass?.due, .turn)
        offer(pending.flatMap { $0.isQueued ? nil : $0.due }, .pendingPass)
        offer(sleepDue, .sleep)
        return next
    }

    var nextDue: UInt64? { nextWork?.due }

    mutating func advance(to time: UInt64) {
        while let (due, work) = nextWork, due <= time {
            now = max(now, due)
            switch work {
            case .chunk(let id): stepTeardown(id)
            case .turn: stepPass()
            case .pendingPass: firePending()
            case .sleep: sleepDue = nil
            }
        }
        now = max(now, time)
    }

    mutating func runToIdle() {
        while let due = nextDue { advance(to: due) }
    }

    // MARK: Commands

    /// - Parameter given: what the machine gave a guest at its launch, if anything; only `startGuest` looks at it.
    mutating func perform(
        _ command: Command,
        at time: UInt64,
        given: LaunchGiven?
    ) throws(CommandError) -> CommandResult {
        advance(to: time)
        switch command {
        case .reoptimize: return .pass(requestPass(.request))
        case .createGuest(let name): return .guest(try create(name))
        case .setGuestType(let id, let type): try stopped(id) { $0.type = type }
        case .setHostMemory(let bytes): try setHostMemory(bytes)
        case .setPageCache(let bytes): try setPageCache(bytes)
        case .setGuestMemory(let id, let bytes): try setMemory(id, bytes)
        case .setGuestBacking(let id, let backing): try stopped(id) { $0.backing = backing }
        case .setGuestPlacement(let id, let placement): try setPlacement(id, placement)
        case .setGuestNode(let id, let node): try setNode(id, node)
        case .setGuestVCPUs(let id, let count): try setVCPUs(id, count)
        case .createVM(let id): try createVM(id)
        case .startGuest(let id): try start(id, given)
        case .stopGuest(let id): try stop(id)
        case .removeGuest(let id): try remove(id)
        case .convert(let id, let gpa, let toPrivate): return .work(try convert(id, gpa.raw, toPrivate))
        case .validate(let id, let gpa, let size): return .work(try validate(id, gpa.raw, size))
        case .leak(let pages): return .leaked(try leak(pages.raw))
        case .setOnline(let cpu, let online): try setOnline(cpu, online)
        case .initializeFirmware: try initializeFirmware()
        case .shutDownFirmware(let x86): try shutDownFirmware(x86: x86)
        case .failFirmware(let count): failuresLeft = count
        case .failDecommission(let count): decommissionFailuresLeft = count
        case .kexec(let online): try kexec(online: online)
        case .addMemory: lateMemoryIsOnline = true
        case .holdPasses(let hold): holdPasses(hold)
        case .rmpupdate(let spa, let input):
            if !snpEnabled { throw .noSNP }
            let code = rmpupdate(spa.rawValue, input)
            if code != .success { throw .rmp(code) }
        case .psmash(let spa):
            if !snpEnabled { throw .noSNP }
            let code = rmp.psmash(spa.rawValue)
            if code != .success { throw .rmp(code) }
        case .firmwareChange(let spa, let change, let gpa):
            if !firmwareIsInitialized { throw .noSNP }
            if !rmp.change(spa.rawValue / 4096, change, gpa: gpa.rawValue) { throw .invalid(.pageState) }
        case .lock(let spa, let isLocked):
            if !rmp.lock(spa.rawValue / 4096, isLocked) { throw .invalid(.pageState) }
        case .pvalidate(let spa, let gpa, let asid, let size, let validate):
            do {
                let pfn = spa.rawValue / 4096
                let asid = UInt64(asid)
                return .pvalidate(try rmp.pvalidate(pfn, gpa: gpa.rawValue, asid: asid, size, validate: validate))
            } catch { throw .nestedFault(error) }
        case .wrmsr(let cpu, let number, let value): try wrmsr(cpu, number, value)
        case .rmpopt(let cpu, let spa, let function): return .carry(try rmpopt(cpu, spa.rawValue, function))
        }
        return .done
    }

    /// RMPUPDATE clears the region's bits on every core when it assigns.
    mutating func rmpupdate(_ spa: UInt64, _ input: RMPUpdateInput) -> RMPCode {
        let code = rmp.rmpupdate(spa, input)
        if code == .success && input.assigned { rmpoptTables.clear(Int(spa >> 30)) }
        return code
    }

    /// Whether a CPU executes RMPOPT without a #UD: it needs SNP_EN on the CPU, and RMPOPT_EN on its core.
    func executesRMPOPT(_ cpu: Int) -> Bool { snpCPUs.contains(cpu) && rmpoptTables.isEnabled(core(cpu)) }

    private mutating func rmpopt(_ cpu: Int, _ spa: UInt64, _ function: UInt64) throws(CommandError) -> Bool {
        if !online.contains(cpu) { throw .invalid(.cpu(cpu)) }
        if !executesRMPOPT(cpu) { throw .fault(.undefinedOpcode) }
        do {
            return try rmpoptTables.rmpopt(core(cpu), spa, function: function, rmp)
        } catch {
            throw .fault(error)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The host of the naive model: boot, set-up, SNP_INIT_EX, shutdown, kexec, hotplug, memory and registers, each step as
// the kernel of the version does it.

@testable import RMPModel

extension NaiveMachine {
    private var layout: RMPLayout { setup.configuration.rmp }
    private var tablesOfRMP: [Range<UInt64>] { [layout.head] + layout.segments.map(\.table) }
    private var boot: BootPlan { setup.configuration.boot }

    /// X86_FEATURE_RMPOPT once the RMP has been probed. The posted versions want a segmented RMP; the merged code only
    /// wants a processor that supports one.
    ///
    /// Source: `configure_and_enable_rmpopt()` of v1-v3, `setup_rmptable()` of v4-v10, `snp_probe_rmptable_info()` of
    /// 15d974be.
    private var hasFeature: Bool {
        let processor = setup.configuration.processor
        if setup.facts.setUp == .bootThenEachRequest { return processor.rmpopt && processor.segmentedRMP }
        return processor.rmpopt && layout.isSegmented
    }

    // MARK: Boot

    mutating func bootKernel() {
        if snpEnabled {
            // `snp_rmptable_init()` finds SNP_EN.
            if setup.facts.hotplug == .beforeSNP { hotplugIsForbidden = true }
        } else if setup.facts.setsSNPAtBoot {
            enableSNP()
        }
        // `cpuhp_setup_state()` calls its function on all CPUs that are online.
        if setup.facts.setsSNPOnline && snpEnabled { snpCPUs.formUnion(online) }
        switch setup.facts.setUp {
        case .boot:
            if snpEnabled { setUpDriver(.boot) }
        case .bootThenEachRequest, .eachInit, .guardedInit: break
        }
        // A kvm_amd that is built in runs SNP_INIT_EX before the initcall of the merged driver.
        if boot.kvmIsBuiltIn && boot.stage == .firmware { try? initializeFirmware() }
        initRMPOPT()
    }

    /// `rmpopt_init()` of the merged code: workqueue and range.
    private mutating func initRMPOPT() {
        if setup.facts.setUp != .bootThenEachRequest || !hasFeature { return }
        if boot.driverFailures.contains(.workqueue) { return }
        range = rangeOfMemory
        isSetUp = true
    }

    /// Sets SNP_EN and VMPL_EN on the CPUs that are online; nothing but the RMP itself is assigned then.
    private mutating func enableSNP() {
        snpCPUs.formUnion(online)
        syscfg |= 1 << 19
        rmp.reset(.anew)
        for range in tablesOfRMP { rmp.fill(range, .firmware, .anew) }
    }

    // MARK: Set-up

    /// From the start of memory to the end that the kernel knows of, at most 2 TB where the version has that limit.
    private var rangeOfMemory: Range<Int> {
        let spans = onlineMemory
        let first = Int((spans.first?.lowerBound ?? 0) >> 30)
        let end = Int(((spans.last?.upperBound ?? 0) + (1 << 30) - 1) >> 30)
        let isLimited = setup.facts.isLimited && setup.configuration.windows == .series
        return first..<(isLimited ? min(end, first + 2048) : end)
    }

    /// `configure_and_enable_rmpopt()`, `snp_setup_rmpopt()`.
    private mutating func setUpDriver(_ trigger: PassTrigger) {
        if !hasFeature || setup.facts.setUp == .guardedInit && isSetUp { return }
        let failures = boot.driverFailures
        let hasNoQueue = setup.facts.worker != .thread && failures.contains(.workqueue)
        // v3 has written RMPOPT_BASE before it asks for a workqueue.
        if hasNoQueue && setup.facts.setUp != .boot { return }
        // zalloc_cpumask_var(): of primary_threads_cpulist in v1 2/6, first of all; of rmpopt_cpumask in v9 2/6.
        if ["v1", "v9", "v10"].contains(setup.facts.name) && failures.contains(.cpumask) { return }
        let base = setup.configuration.memory.start.rawValue / (1 << 30) * (1 << 30)
        switch setup.facts.programmed {
        case .firstThreads: program(0, firstThreads)
        case .allOnline: program(base, online)
        case .onlinePrimaries: program(base, mask.union(onlinePrimaries))
        }
        if hasNoQueue || setup.facts.worker == .thread && failures.contains(.thread) { return }
        if setup.facts.walk == .leader { mask.formUnion(onlinePrimaries) }
        range = rangeOfMemory
        isSetUp = true
        // INIT_DELAYED_WORK() again: what was pending is forgotten.
        pending = nil
        requestPass(trigger)
    }

    /// `snp_enable_rmpopt()`: the registers, if RMPOPT_EN is clear on the CPU that asks.
    mutating func enableOnRequest() {
        guard isSetUp, let cpu = online.min(), !rmpoptTables.isEnabled(core(cpu)) else { return }
        program(UInt64(range.lowerBound) << 30, onlinePrimaries)
    }

    /// The kernel's WRMSR of RMPOPT_BASE, on CPUs that are online; a fault changes nothing and is ignored.
    private mutating func program(_ base: UInt64, _ cpus: Set<Int>) {
        for core in Set(cpus.intersection(online).map(core)) where writesBase(base + 1, core) {
            rmpoptTables.bases[core] = base + 1
        }
    }

    // MARK: Firmware

    mutating func initializeFirmware() throws(CommandError) {
        if firmwareIsInitialized { return }
        if !snpEnabled {
            // `snp_prepare()`.
            if setup.facts.wantsAllOnline && online != setup.present { throw .unsupported(.offlineCPUs) }
            if setup.facts.hotplug == .beforeSNP { hotplugIsForbidden = true }
            enableSNP()
        }
        // "The SEV firmware checks that the SNP enable bit is set on each CPU" (Tycho Andersen, 2026-04-29).
        if !setup.present.isSubset(of: snpCPUs) { throw .firmwareFailed }
        if failuresLeft > 0 {
            failuresLeft -= 1
            throw .firmwareFailed
        }
        firmwareIsInitialized = true
        rmp.configure()
        for range in setup.configuration.firmware.hypervisorFixed { rmp.fill(range, .hypervisorFixed, .anew) }
        for range in tablesOfRMP + setup.configuration.firmware.assigned { rmp.fill(range, .firmware, .anew) }
        rmpoptTables.clearAll()
        if setup.facts.hotplug == .afterInit { hotplugIsForbidden = true }
        switch setup.facts.setUp {
        case .boot: requestPass(.firmwareInit)
        case .eachInit, .guardedInit: setUpDriver(.firmwareInit)
        case .bootThenEachRequest:
            enableOnRequest()
            requestPass(.firmwareInit)
        }
    }

    /// Guests that firmware knows.
    private var hasGuests: Bool {
        guests.values.contains { $0.type == .snp && ($0.state == .running || $0.state == .ending) }
    }

    mutating func shutDownFirmware(x86: Bool) throws(CommandError) {
        if !firmwareIsInitialized { return }
        if hasGuests { throw .busy(.guestsLeft) }
        if x86 && !setup.facts.hasX86Shutdown { throw .unsupported(.x86Shutdown) }
        endFirmware()
        if !x86 { return }
        // Firmware clears SNP_EN on all cores.
        snpCPUs = []
        if !setup.configuration.processor.keepsRMPOPTEnable {
            for core in rmpoptTables.bases.indices { rmpoptTables.bases[core] = 0 }
        }
        rmpoptTables.clearAll()
        // `snp_shutdown()`. Its WRMSR of 0 comes when RMPOPT_BASE can no longer be written (15d974be).
        if setup.facts.cancels {
            pass = nil
            pending = nil
        }
        if setup.facts.cleansUp {
            isSetUp = false
            mask = []
        }
        rmp.reset(.anew)
        syscfg &= ~(1 << 19)
        hotplugIsForbidden = false
    }

    private mutating func endFirmware() {
        firmwareIsInitialized = false
        for range in setup.configuration.firmware.assigned { rmp.fill(range, .hypervisor, .shutDown) }
    }

    // MARK: Another kernel

    /// - Parameter chosen: the CPUs that it brings online; nil for all that are present.
    mutating func kexec(online chosen: CPUSet?) throws(CommandError) {
        if hasGuests { throw .busy(.guestsLeft) }
        if let chosen {
            if !chosen.contains(0) { throw .invalid(.cpu(0)) }
            for cpu in 0..<chosen.limit where chosen.contains(cpu) && !setup.present.contains(cpu) {
                throw .invalid(.cpu(cpu))
            }
        }
        if firmwareIsInitialized { endFirmware() }
        for (id, guest) in guests where guest.state == .created {
            guests[id]?.state = .stopped
            guests[id]?.asid = 0
        }
        for (id, guest) in guests where guest.type == .ordinary { endOrdinary(id) }
        cache = []
        pass = nil
        pending = nil
        sleepDue = nil
        isSetUp = false
        flag = false
        awakeUntil = 0
        isStuck = false
        passes = []
        passCount = 0
        requests = [:]
        mask = []
        rowsClearedBefore = rmpoptTables.rowsCleared
        hotplugIsForbidden = false
        online = setup.present.filter { chosen?.contains($0) ?? true }
        if !snpEnabled { for cpu in setup.present { loseBase(core(cpu)) } }
        bootKernel()
    }

    // MARK: CPUs

    mutating func setOnline(_ cpu: Int, _ isOnline: Bool) throws(CommandError) {
        if !setup.present.contains(cpu) { throw .invalid(.cpu(cpu)) }
        if online.contains(cpu) == isOnline { return }
        if hotplugIsForbidden { throw .busy(.hotplugForbidden) }
        if isOnline {
            online.insert(cpu)
            if setup.facts.setsSNPOnline && snpEnabled { snpCPUs.insert(cpu) }
        } else {
            if cpu == 0 || online.count == 1 { throw .busy(.neededCPU) }
            online.remove(cpu)
            if !snpEnabled { loseBase(core(cpu)) }
        }
    }

    /// A core whose threads are all offline while SNP_EN is 0 loses RMPOPT_BASE.
    private mutating func loseBase(_ core: Int) {
        if !online.contains(where: { self.core($0) == core }) { rmpoptTables.bases[core] = 0 }
    }

    // MARK: Memory

    /// The memory that is online, span by span.
    var onlineMemory: [Range<UInt64>] {
        let end = setup.configuration.memory.end.rawValue - (lateMemoryIsOnline ? 0 : boot.lateMemoryBytes)
        return setup.configuration.memory.spans.map { $0.range.clamped(to: 0..<end) }.filter { !$0.isEmpty }
    }

    // MARK: Registers

    var snpEnabled: Bool { !snpCPUs.isEmpty }

    /// SYSCFG as a CPU reads it.
    func syscfg(ofCPU cpu: Int) -> UInt64 { syscfg | (snpCPUs.contains(cpu) ? 3 << 24 : 0) }

    /// Whether WRMSR of RMPOPT_BASE works without a fault. It needs SNP_EN; setting RMPOPT_EN also needs a segmented
    /// RMP, and it cannot be cleared again.
    ///
    /// Source: commit text of 15d974be; Ashish Kalra, 2026-06-19. That SNP_EN of any CPU is enough is a choice.
    private func writesBase(_ value: UInt64, _ core: Int) -> Bool {
        if !setup.configuration.processor.rmpopt || !snpEnabled { return false }
        if value % 2 == 1 ? !layout.isSegmented : rmpoptTables.isEnabled(core) { return false }
        // Bits 29:1 and those above the address are reserved.
        return value >> 52 == 0 && value >> 1 & 0x1fff_ffff == 0
    }

    mutating func wrmsr(_ cpu: Int, _ number: UInt32, _ value: UInt64) throws(CommandError) {
        if !online.contains(cpu) { throw .invalid(.cpu(cpu)) }
        let fault = CommandError.msr(.generalProtection)
        switch number {
        case 0xc001_0010:
            // One register for all CPUs, except for SNP_EN and VMPL_EN: a choice.
            if snpEnabled { return }
            let known: UInt64 = 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 24 | 1 << 25
            if value & ~known != 0 || value >> 24 & 1 == 1 && value >> 23 & 1 == 0 { throw fault }
            syscfg = value & ~(3 << 24)
            if value >> 24 & 1 == 1 { snpCPUs.insert(cpu) }
        case 0xc001_0139:
            if !writesBase(value, core(cpu)) { throw fault }
            rmpoptTables.bases[core(cpu)] = value
        default: throw fault
        }
    }
}

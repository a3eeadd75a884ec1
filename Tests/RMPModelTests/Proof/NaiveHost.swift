// SPDX-License-Identifier: Apache-2.0
// The host of the naive model: boot, SNP_INIT_EX, shutdown, kexec, hotplug and registers. What a version of the series
// does is taken from its row of facts; what follows from it is not.

@testable import RMPModel

extension NaiveMachine {
    private var layout: RMPLayout { setup.configuration.rmp }
    private var tablesOfRMP: [Range<UInt64>] { [layout.head] + layout.segments.map(\.table) }

    // MARK: Boot

    mutating func bootKernel() {
        if snpEnabled {
            if setup.series.hotplug == .forbiddenBeforeSNP { hotplugIsForbidden = true }
        } else if setup.series.snpEnabling == .boot {
            enableSNP()
        }
        if setup.series.setUp == .boot { setUpDriver(.boot) }
    }

    /// SNP_EN, VMPL_EN and MtrrFixDramModEn; the RMP holds nothing but itself.
    private mutating func enableSNP() {
        syscfg |= 1 << 24 | 1 << 25 | 1 << 19
        rmp.reset(.anew)
        for range in tablesOfRMP { rmp.fill(range, .firmware, .anew) }
    }

    private mutating func setUpDriver(_ trigger: PassTrigger) {
        if setup.series.hasReinitGuard && isSetUp { return }
        if !setup.configuration.processor.rmpopt || !snpEnabled || !layout.isSegmented { return }
        let memory = setup.configuration.memory
        if setup.series.windowRule == .perSocket {
            // Up to 2 TB one window from 0; more is for the tests of windows.
            program(1, onlineThreads(.firstOnlineThreads))
        } else {
            let isFixed = setup.series.participants == .primaryThreadsAtSetUp
            let cpus = onlineThreads(isFixed ? .primaryThreadsAtSetUp : .allOnline, atSetUp: true)
            program(memory.start.rawValue / (1 << 30) * (1 << 30) + 1, cpus)
        }
        isSetUp = true
        threadsAtSetUp = onlineThreads(.primaryThreadsAtSetUp, atSetUp: true)
        requestPass(trigger)
    }

    private mutating func program(_ base: UInt64, _ cpus: [Int]) {
        for cpu in cpus { tables.bases[setup.configuration.topology.places[cpu].core] = base }
    }

    // MARK: Firmware

    mutating func initializeFirmware() throws(CommandError) {
        if firmwareIsInitialized { return }
        if !snpEnabled {
            if setup.series.snpEnabling == .prepare && online != setup.present { throw .unsupported(.offlineCPUs) }
            if setup.series.hotplug == .forbiddenBeforeSNP { hotplugIsForbidden = true }
            enableSNP()
        }
        if failuresLeft > 0 {
            failuresLeft -= 1
            throw .firmwareFailed
        }
        firmwareIsInitialized = true
        rmp.reset(.anew)
        for range in setup.configuration.firmware.hypervisorFixed { rmp.fill(range, .hypervisorFixed, .anew) }
        for range in tablesOfRMP + setup.configuration.firmware.assigned { rmp.fill(range, .firmware, .anew) }
        tables.clearAll()
        if [.forbiddenAfterInit, .forbiddenUntilSNPCleared].contains(setup.series.hotplug) {
            hotplugIsForbidden = true
        }
        if setup.series.setUp == .boot { requestPass(.firmwareInit) } else { setUpDriver(.firmwareInit) }
    }

    mutating func shutDownFirmware(x86: Bool) throws(CommandError) {
        if !firmwareIsInitialized { return }
        if guests.values.contains(where: { $0.state != .stopped }) { throw .busy(.guestsLeft) }
        if x86 && !setup.series.hasCleanUp { throw .unsupported(.x86Shutdown) }
        endFirmware()
        if setup.series.hotplug == .forbiddenAfterInit { hotplugIsForbidden = false }
        if !x86 { return }
        syscfg &= ~(1 << 24 | 1 << 25)
        forgetPasses()
        for core in tables.bases.indices { tables.bases[core] = 0 }
        tables.clearAll()
        rmp.reset(.anew)
        hotplugIsForbidden = false
    }

    private mutating func endFirmware() {
        firmwareIsInitialized = false
        for range in setup.configuration.firmware.assigned { rmp.fill(range, .hypervisor, .shutDown) }
    }

    /// The driver's clean-up: nothing runs or waits any more.
    private mutating func forgetPasses() {
        pass = nil
        pending = nil
        sleepDue = nil
        isSetUp = false
        flag = false
    }

    mutating func kexec() throws(CommandError) {
        if guests.values.contains(where: { $0.state != .stopped }) { throw .busy(.guestsLeft) }
        if firmwareIsInitialized { endFirmware() }
        forgetPasses()
        awakeUntil = 0
        isStuck = false
        passes = []
        passCount = 0
        requests = [:]
        threadsAtSetUp = []
        rowsClearedBefore = tables.rowsCleared
        hotplugIsForbidden = false
        bootKernel()
    }

    // MARK: CPUs

    mutating func setOnline(_ cpu: Int, _ isOnline: Bool) throws(CommandError) {
        if !setup.present.contains(cpu) { throw .invalid(.cpu(cpu)) }
        if online.contains(cpu) == isOnline { return }
        if hotplugIsForbidden { throw .busy(.hotplugForbidden) }
        if isOnline {
            online.insert(cpu)
        } else {
            if cpu == 0 || online.count == 1 { throw .busy(.neededCPU) }
            online.remove(cpu)
        }
    }

    // MARK: Registers

    var snpEnabled: Bool { syscfg >> 24 & 1 == 1 }

    mutating func wrmsr(_ cpu: Int, _ number: UInt32, _ value: UInt64) throws(CommandError) {
        if !online.contains(cpu) { throw .invalid(.cpu(cpu)) }
        let fault = CommandError.msr(.generalProtection)
        switch number {
        case 0xc001_0010:
            if snpEnabled { return }
            let known: UInt64 = 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 24 | 1 << 25
            if value & ~known != 0 || value >> 24 & 1 == 1 && value >> 23 & 1 == 0 { throw fault }
            syscfg = value
        case 0xc001_0139 where setup.configuration.processor.rmpopt:
            // RMPOPT_EN needs SNP_EN and a segmented RMP; bits 29:1 and those above the address are setup.reserved.
            if value % 2 == 1 && !(snpEnabled && layout.isSegmented) { throw fault }
            if value >> 52 != 0 || value >> 1 & 0x1fff_ffff != 0 { throw fault }
            tables.bases[setup.configuration.topology.places[cpu].core] = value
        default: throw fault
        }
    }
}

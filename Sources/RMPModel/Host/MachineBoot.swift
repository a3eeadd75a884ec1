// SPDX-License-Identifier: Apache-2.0
// The host kernel's part in SNP's life: boot, SNP_INIT_EX, shutdown, kexec, and what the driver of the series does at
// each of them.

extension Machine {
    // MARK: Boot

    /// The kernel's boot as far as SNP is concerned: the RMP is found, SNP_EN set by the versions that do it here, and
    /// the driver set up by those that do.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c, `snp_probe_rmptable_info()`, `snp_rmptable_init()`.
    mutating func bootKernel() {
        guard configuration.processor.snp else { return }
        for message in tableMessages { say(message) }
        guard isSNPPossible else { return }
        let series = configuration.series
        if platform.snpEnabled {
            // After kexec: SNP_EN is found set, and enabling is skipped.
            if series.hotplug == .forbiddenBeforeSNP { hotplugIsForbidden = true }
        } else if series.snpEnabling == .boot {
            enableSNP()
        }
        if series.setUp == .boot { setUpDriver(.boot) }
    }

    /// Whether the processor and the place of the RMP allow SNP.
    public var isSNPPossible: Bool { configuration.processor.snp && tableProblems.isEmpty }

    private mutating func enableSNP() {
        platform.enableSNP()
        firmware.prepareRMP(&platform)
    }

    // MARK: The driver

    /// RMPOPT_BASE on the cores that take part, then the thread or workqueue, then the first request.
    private mutating func setUpDriver(_ trigger: PassTrigger) {
        if driver.isGuarded { return }
        if let obstacle = driverObstacle {
            say(obstacle)
            return
        }
        if failing(.workqueue) || failing(.cpumask) { return }
        programWindows()
        if failing(.thread) { return }
        driver.setUp(topology)
        say(.threadCreated(pid: 1093))
        // The return value of the registration is ignored: the thread runs without it.
        _ = failing(.configfs)
        if UInt64(configuration.memory.regionCount) << 30 > driver.bytes.upperBound {
            say(.coverageLimited(end: driver.bytes.upperBound))
        }
        requestPass(trigger)
    }

    /// Why the driver is not set up on this host, in the order in which it looks.
    private var driverObstacle: KernelMessage? {
        if !configuration.processor.rmpopt { return .notSupported }
        if !platform.snpEnabled { return .snpNotEnabled }
        return firmware.layout.isSegmented ? nil : .segmentedRequired
    }

    /// Whether the kernel cannot give what the driver asks for now; it has said so then, if the version does.
    private mutating func failing(_ failure: DriverFailure) -> Bool {
        if !driver.fails(failure) { return false }
        say(failure.message)
        return true
    }

    /// WRMSR of RMPOPT_BASE.
    private mutating func programWindows() {
        let series = configuration.series
        let atSetUp = series.participants == .primaryThreadsAtSetUp
        let cores = topology.cores(of: atSetUp ? topology.onlinePrimaryThreads : topology.online)
        let memory = configuration.memory
        var windows: [PlannedWindow]
        switch (configuration.windows, series.windowRule) {
        case (.lowestAverageDistance, _):
            windows = DistanceWindows.plan(topology, memory, configuration.distances, cores: cores)
        case (.series, .perSocket):
            let sockets = SocketWindows(
                topology,
                memory,
                allocationFails: configuration.boot.windowAllocationFails
            )
            for message in sockets.messages { say(message) }
            windows = sockets.windows
        case (.series, .startOfMemory):
            windows = [PlannedWindow(base: memory.start.rawValue, cores: cores, node: 0)]
        }
        for window in windows {
            platform.rmpopt.program(RMPOPTBase(enabledFrom: SPA(window.base)), cores: window.cores)
        }
    }

    // MARK: Firmware

    /// SNP_INIT_EX by the ccp driver.
    ///
    /// Source: Linux drivers/crypto/ccp/sev-dev.c, `__sev_snp_init_locked()`; series v1 patch 4/6, v4 and later
    /// `snp_setup_rmpopt()`; `snp_prepare()` in the versions that have it.
    ///
    /// - Throws: `.unsupported`, `.firmwareFailed`.
    mutating func initializeFirmware() throws(CommandError) {
        if firmware.state == .initialized { return }
        guard isSNPPossible else { throw .unsupported(.snp) }
        let series = configuration.series
        if !platform.snpEnabled { try prepareSNP() }
        if firmware.failuresLeft > 0 {
            firmware.failuresLeft -= 1
            say(.initFailed(rc: 5, error: 1))
            throw .firmwareFailed
        }
        firmware.initialize(&platform)
        switch series.hotplug {
        case .forbiddenAfterInit, .forbiddenUntilSNPCleared: hotplugIsForbidden = true
        case .allowed, .forbiddenBeforeSNP: break
        }
        switch series.setUp {
        case .boot: requestPass(.firmwareInit)
        case .firmwareInit: setUpDriver(.firmwareInit)
        }
    }

    /// `snp_prepare()`, which returns early where SNP_EN is found set, as after kexec and after a legacy shutdown. The
    /// versions that set SNP_EN at boot come here only after a shutdown has cleared it; a choice: they do not look for
    /// offline CPUs then either.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c; Tycho Andersen, 2026-04 (all present CPUs must be online); series v10
    /// patch 3/6 (hotplug is disabled first).
    ///
    /// - Throws: `.unsupported(.offlineCPUs)`.
    private mutating func prepareSNP() throws(CommandError) {
        let series = configuration.series
        if series.snpEnabling == .prepare && topology.online != topology.present {
            say(.notAllOnline(online: topology.online, present: topology.present))
            say(.initFailed(rc: 95, error: 0))
            throw .unsupported(.offlineCPUs)
        }
        if series.hotplug == .forbiddenBeforeSNP { hotplugIsForbidden = true }
        enableSNP()
    }

    /// SNP_SHUTDOWN_EX. The legacy kind leaves SNP_EN set, RMP checks go on, and the driver is not told; with `x86`,
    /// firmware clears SNP_EN and the driver cleans up.
    ///
    /// Source: series v5 patch 2/7 and later, `snp_shutdown()`, `rmpopt_cleanup()`.
    ///
    /// - Throws: `.busy(.guestsLeft)`, `.unsupported(.x86Shutdown)`.
    mutating func shutDownFirmware(x86: Bool) throws(CommandError) {
        if firmware.state == .uninitialized { return }
        if guests.anyLeft { throw .busy(.guestsLeft) }
        let series = configuration.series
        if x86 && !series.hasCleanUp { throw .unsupported(.x86Shutdown) }
        firmware.shutDown(&platform)
        if series.hotplug == .forbiddenAfterInit { hotplugIsForbidden = false }
        if !x86 { return }
        platform.clearSNP()
        cancelPasses()
        driver.cleanUp()
        platform.rmpopt.program(RMPOPTBase(rawValue: 0), cores: CPUSet(all: topology.coreCount))
        platform.rmpopt.clearAll()
        platform.rmp.reset()
        hotplugIsForbidden = false
    }

    /// Another kernel takes over: SNP_EN stays set, everything that the driver knew is gone.
    ///
    /// - Throws: `.busy(.guestsLeft)`.
    mutating func kexec() throws(CommandError) {
        if guests.anyLeft { throw .busy(.guestsLeft) }
        if firmware.state == .initialized { firmware.shutDown(&platform) }
        cancelPasses()
        driver = Driver(configuration, rowsCleared: platform.rmpopt.rowsCleared)
        log.clear()
        hasWarnedOfDecommission = false
        hasWarnedOfGuestPage = false
        hotplugIsForbidden = false
        bootKernel()
    }

    private mutating func cancelPasses() {
        work.remove(.pass)
        work.remove(.delayedPass)
        work.remove(.threadSleep)
    }

    // MARK: CPU hotplug

    /// - Throws: `.invalid(.cpu)` for a CPU that is not present, `.busy`.
    mutating func setOnline(_ cpu: Int, _ online: Bool) throws(CommandError) {
        guard topology.present.contains(cpu) else { throw .invalid(.cpu(cpu)) }
        if topology.online.contains(cpu) == online { return }
        if hotplugIsForbidden { throw .busy(.hotplugForbidden) }
        if online {
            topology.online.insert(cpu)
        } else {
            if cpu == 0 || topology.online.count == 1 { throw .busy(.neededCPU) }
            topology.online.remove(cpu)
        }
        onlineGeneration &+= 1
    }
}

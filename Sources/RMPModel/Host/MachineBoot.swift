// SPDX-License-Identifier: Apache-2.0
// What the host kernel does for SNP: boot, SNP_INIT_EX, shutdown, kexec, CPU hotplug, added memory.

extension Machine {
    // MARK: Boot

    /// The kernel's boot as far as SNP is concerned: it finds the RMP, sets SNP_EN in versions that do it here, and
    /// sets up the driver in versions that do.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c, `snp_probe_rmptable_info()`, `snp_rmptable_init()`. Device initcalls come
    /// after it; that of KVM, if built in, is linked before those of arch/x86/virt.
    mutating func bootKernel() {
        platform.events.publish(.kernelStarted)
        let series = configuration.series
        if configuration.processor.snp { for message in rmpMessages { say(message) } }
        if isSNPPossible {
            if platform.snpEnabled {
                // After kexec: the kernel finds SNP_EN set and skips enabling it.
                if series.hotplugOffAfterKexec { hotplugIsForbidden = true }
            } else if series.snpEnabling == .boot {
                enableSNP()
            }
            if series.workerMoment == .boot && series.baseMoment == .boot { setUpDriver(at: .boot) }
        }
        if configuration.boot.kvmIsBuiltIn && configuration.boot.stage == .firmware { try? initializeFirmware() }
        if series.workerMoment == .boot && series.baseMoment == .requestWhileClear { makeWorker() }
    }

    /// Whether the processor and the location of the RMP allow SNP.
    public var isSNPPossible: Bool { configuration.processor.snp && rmpProblems.isEmpty }

    private mutating func enableSNP() {
        platform.enableSNP(on: topology.online)
        firmware.prepareRMP(&platform)
    }

    // MARK: Firmware

    /// SNP_INIT_EX by the ccp driver.
    ///
    /// Source: Linux drivers/crypto/ccp/sev-dev.c, `__sev_snp_init_locked()`; AMD's published ASP firmware, sev_mcmd.c,
    /// and Tycho Andersen's "x86/sev: Do not initialize SNP if missing CPUs" of 2026-04-29 (firmware checks SNP_EN on
    /// each present CPU).
    ///
    /// - Throws: `.unsupported`, `.firmwareFailed`.
    mutating func initializeFirmware() throws(CommandError) {
        if firmware.state == .initialized { return }
        guard isSNPPossible else { throw .unsupported(.snp) }
        let series = configuration.series
        if !platform.snpEnabled { try prepareSNP() }
        let isEnabledEverywhere = topology.present.intersection(platform.snpCPUs) == topology.present
        if firmware.failuresLeft > 0 || !isEnabledEverywhere {
            if isEnabledEverywhere { firmware.failuresLeft -= 1 }
            // INVALID_CONFIG if SNP_EN is clear on a CPU.
            let error: UInt64 = isEnabledEverywhere ? 1 : 3
            say(.initCommandFailed(rc: 5, error: error))
            throw .firmwareFailed
        }
        firmware.initialize(&platform)
        if series.hotplugOff == .afterInit { hotplugIsForbidden = true }
        if series.workerMoment == .firmwareInit { setUpDriver(at: .firmwareInit) } else { requestPass(.firmwareInit) }
    }

    /// `snp_prepare()`, which returns early if SNP_EN is already set, as after kexec and after a legacy shutdown.
    ///
    /// Source: Linux arch/x86/virt/svm/sev.c; Tycho Andersen, 2026-04-29 (all present CPUs must be online; the RMP has
    /// been cleared before that is checked, which nobody can see with SNP_EN clear); series v10 patch 3/6 (hotplug is
    /// disabled first, and enabled again by a refusal).
    ///
    /// - Throws: `.unsupported(.offlineCPUs)`.
    private mutating func prepareSNP() throws(CommandError) {
        let series = configuration.series
        if series.needsAllOnline && topology.online != topology.present {
            say(.notAllOnline(online: topology.online, present: topology.present))
            throw .unsupported(.offlineCPUs)
        }
        if series.hotplugOff == .beforeSNP { hotplugIsForbidden = true }
        enableSNP()
    }

    /// SNP_SHUTDOWN_EX. The legacy kind leaves SNP_EN set, RMP checks continue, and the driver is not told; with `x86`,
    /// firmware clears SNP_EN and the driver does what its version does in that case.
    ///
    /// Source: Linux drivers/crypto/ccp/sev-dev.c, `__sev_snp_shutdown_locked()`; arch/x86/virt/svm/sev.c,
    /// `snp_shutdown()`.
    ///
    /// - Throws: `.busy(.guestsLeft)`, `.unsupported(.x86Shutdown)`.
    mutating func shutDownFirmware(x86: Bool) throws(CommandError) {
        if firmware.state == .uninitialized { return }
        if guests.anyLeft { throw .busy(.guestsLeft) }
        let series = configuration.series
        if x86 && !series.knowsX86Shutdown { throw .unsupported(.x86Shutdown) }
        firmware.shutDown(&platform)
        if !x86 { return }
        platform.clearSNP()
        // v5 to v10 also write 0 to RMPOPT_BASE, but it is no longer writable: it keeps whatever it now holds.
        driver.cleanUp(&platform.events)
        platform.clearRMPOPTTables()
        platform.rmp.reset()
        hotplugIsForbidden = false
    }

    /// Another kernel takes over: SNP_EN stays set, all state of the driver is lost. Ordinary guests have ended, and
    /// the page cache is empty. CPUs that do not come online in it keep their registers.
    ///
    /// - Throws: `.busy(.guestsLeft)`; `.invalid(.cpu)` for a CPU that is not present, or for CPU 0 if it is left out.
    mutating func kexec(online cpus: CPUSet?) throws(CommandError) {
        if guests.anyLeft { throw .busy(.guestsLeft) }
        let online = cpus ?? topology.present
        if !online.contains(0) { throw .invalid(.cpu(0)) }
        var next = online.next(from: 0)
        while let cpu = next {
            if !topology.present.contains(cpu) { throw .invalid(.cpu(cpu)) }
            next = online.next(from: cpu + 1)
        }
        if firmware.state == .initialized { firmware.shutDown(&platform) }
        let before = (hostMemory, pageCache)
        guests.forgetVMs(&platform.events)
        guests.dropPageCache()
        noteHostUse(since: before)
        driver.cancel(&platform.events)
        driver = Driver(configuration)
        warned = []
        hotplugIsForbidden = false
        // CPUs that come online go first, so that a core with a CPU online before and after is never without one in
        // between.
        for comes in [true, false] {
            for cpu in 0..<topology.cpuCount
            where online.contains(cpu) == comes && topology.online.contains(cpu) != comes { switchCPU(cpu, comes) }
        }
        bootKernel()
    }

    // MARK: CPU hotplug

    /// - Throws: `.invalid(.cpu)` for a CPU that is not present, `.busy`.
    mutating func setOnline(_ cpu: Int, _ online: Bool) throws(CommandError) {
        guard topology.present.contains(cpu) else { throw .invalid(.cpu(cpu)) }
        if topology.online.contains(cpu) == online { return }
        if hotplugIsForbidden { throw .busy(.hotplugForbidden) }
        if !online && (cpu == 0 || topology.online.count == 1) { throw .busy(.neededCPU) }
        switchCPU(cpu, online)
    }

    private mutating func switchCPU(_ cpu: Int, _ online: Bool) {
        let core = topology.coreOfCPU[cpu]
        if online {
            topology.online.insert(cpu)
            let isEnabled = configuration.series.enablesSNPOnLateCPUs && platform.snpEnabled
            if isEnabled { platform.enableSNP(on: CPUSet(cpu..<(cpu + 1), limit: topology.cpuCount)) }
        } else {
            topology.online.remove(cpu)
            // What a core loses while nothing preserves its registers: see `Processor.keepsRMPOPTEnable`.
            let isOff = !topology.threads(ofCore: core).contains(where: topology.online.contains)
            if isOff && !platform.snpEnabled {
                platform.rmpopt.program(
                    RMPOPTBase(rawValue: 0),
                    cores: CoreSet(core..<(core + 1), limit: topology.coreCount)
                )
            }
        }
        platform.events.publish(.cpuOnline(cpu, online))
    }

    // MARK: Memory

    /// The end of memory as the kernel knows it, in regions.
    var endOfMemory: Int {
        let end = hasLateMemory ? configuration.memory.end.rawValue : configuration.lateMemory.lowerBound
        return Int(end.alignedUp(to: Granularity.region) / Granularity.region)
    }

    /// Brings memory online that was not online at boot.
    mutating func addMemory() {
        if hasLateMemory { return }
        hasLateMemory = true
        guests.allocator.add(configuration.lateMemory)
    }
}

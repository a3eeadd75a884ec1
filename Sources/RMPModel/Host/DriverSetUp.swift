// SPDX-License-Identifier: Apache-2.0
// How the driver of a version is set up: what it checks, what it allocates, which registers it writes, and in which
// order.

extension Machine {
    /// The whole set-up, for versions that do it at one moment: RMPOPT_BASE, the thread or workqueue, the masks, the
    /// range, then the first request.
    mutating func setUpDriver(at moment: Moment) {
        let series = configuration.series
        if driver.isGuarded { return }
        if let obstacle = driverObstacle {
            say(obstacle)
            return
        }
        if series.writesBaseFirst {
            // v1's mask says on which CPUs it is written.
            if failing(.cpumask) { return }
            programWindows()
        }
        if failing(.thread) || failing(.workqueue) || failing(.cpumask) { return }
        if !series.writesBaseFirst { programWindows() }
        let isAgain = driver.hasDebugfsTable
        driver.setUp(topology, at: moment, endOfMemory: endOfMemory)
        say(.threadCreated(pid: 1093))
        // The return value of the registration is ignored: the thread runs without configfs.
        _ = failing(.configfs)
        if endOfMemory > driver.range.upperBound { say(.coverageLimited(end: driver.bytes.upperBound)) }
        requestPass(moment == .boot ? .boot : .firmwareInit)
        if isAgain { say(.folderExists) }
    }

    /// What the merged form does at the kernel's boot: the workqueue and the range. It touches no register, and does
    /// not check SNP.
    ///
    /// Source: commit c6c6f156d192, `rmpopt_init()`.
    mutating func makeWorker() {
        if !hasFeatureFlag || failing(.workqueue) { return }
        driver.setUp(topology, at: .boot, endOfMemory: endOfMemory)
        say(.enabledAtBoot)
    }

    /// The merged form checks RMPOPT_EN before each request of its own: if it is 0 on the requesting CPU, the register
    /// is written on each core, one after the other. That the lowest online CPU makes the request is a choice.
    ///
    /// Source: commit c6c6f156d192, `snp_enable_rmpopt()`. A refused WRMSR gives one warning only (`ex_handler_msr()`).
    mutating func programWhileClear() {
        guard hasFeatureFlag, isSNPPossible, driver.isSetUp else { return }
        guard let asking = topology.online.next(from: 0) else { return }
        if platform.rmpopt.bases[topology.coreOfCPU[asking]].isEnabled { return }
        let base = RMPOPTBase(enabledFrom: SPA(driver.bytes.lowerBound)).rawValue
        var refused = false
        topology.select(configuration.series.baseCPUs).forEachRun { run in
            for cpu in run {
                do {
                    try platform.wrmsr(RMPOPTBase.msr, base, core: topology.coreOfCPU[cpu])
                } catch {
                    refused = true
                }
            }
        }
        if refused { warnOnce(.msr, .uncheckedMSR(number: RMPOPTBase.msr, value: base)) }
    }

    /// X86_FEATURE_RMPOPT after the kernel has probed the RMP.
    ///
    /// Source: `Series.refusesContiguousRMP`; commit c6c6f156d192, `snp_probe_rmptable_info()` (the flag is cleared if
    /// the processor has no segmented RMP, and if probing a segmented one fails; without SNP the RMP is not probed).
    var hasFeatureFlag: Bool {
        let processor = configuration.processor
        if !processor.rmpopt { return false }
        if !processor.snp { return true }
        if !processor.segmentedRMP { return false }
        if configuration.rmp.isSegmented { return configuration.rmp.probeProblem(with: processor) == nil }
        return !configuration.series.refusesContiguousRMP
    }

    /// Why the driver is not set up on this host, in the order of its checks.
    private var driverObstacle: KernelMessage? {
        if !configuration.processor.rmpopt { return .notSupported }
        let series = configuration.series
        if !isSNPPossible { return .snpNotEnabled }
        return series.refusesContiguousRMP && !firmware.layout.isSegmented ? .segmentedRequired : nil
    }

    /// Whether the kernel cannot allocate what the driver now asks for; prints the message, if the version has one.
    private mutating func failing(_ failure: DriverFailure) -> Bool {
        if !driver.fails(failure) { return false }
        say(failure.message)
        return true
    }

    /// WRMSR of RMPOPT_BASE.
    private mutating func programWindows() {
        let series = configuration.series
        let cores = topology.cores(of: topology.select(series.baseCPUs))
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
}

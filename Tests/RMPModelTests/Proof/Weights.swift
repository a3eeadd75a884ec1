// SPDX-License-Identifier: Apache-2.0
// The weights: what random sequences are made of.

@testable import RMPModel

extension Generator {
    /// Instructions and firmware on few pages.
    static let instructions: [Row] = [
        .command(640, "RMPUPDATE") { generator, naive in
            let spa = generator.address(naive)
            return .rmpupdate(spa, generator.input(spa, .size4K))
        },
        .command(24, "RMPUPDATE") { generator, naive in .rmpupdate(generator.address(naive), generator.input(.size4K))
        },
        .command(5, "RMPUPDATE") { generator, _ in
            let spa = generator.chunk()
            return .rmpupdate(spa, generator.input(spa, .size2M))
        },
        .command(10, "RMPUPDATE") { generator, _ in .rmpupdate(generator.wideChunk(), generator.input(.size2M)) },
        .command(5, "firmware") { generator, _ in .firmwareChange(generator.wideChunk(), .reclaim) },
        .command(10, "PVALIDATE") { generator, naive in pvalidate(&generator, naive, generator.wideChunk()) },
        .command(2, "lock") { generator, _ in .lock(generator.wideChunk(), generator.random.chance(3)) },
        .command(8, "RMPUPDATE") { generator, naive in
            let spa = generator.address(naive)
            return .rmpupdate(spa, generator.input(spa, .size2M))
        },
        .command(30, "PSMASH") { generator, naive in
            if generator.random.chance(60) { return .psmash(generator.wideChunk()) }
            return .psmash(generator.random.chance(4) ? generator.chunk() : generator.address(naive))
        },
        .command(40, "RMPOPT") { generator, naive in rmpopt(&generator, naive) },
        Row(120, "RMPREAD") { generator, naive in .read(generator.address(naive)) },
        .command(60, "firmware") { generator, naive in
            change(&generator, generator.random.chance(5) ? generator.chunk() : generator.address(naive))
        },
        .command(30, "PVALIDATE") { generator, naive in pvalidate(&generator, naive, generator.address(naive)) },
        .command(10, "lock") { generator, naive in .lock(generator.address(naive), generator.random.chance(4)) },
        .command(3, "lock") { generator, _ in .lock(generator.chunk(), generator.random.chance(2)) },
        .command(8, "request") { _, _ in .reoptimize },
        .command(3, "WRMSR") { generator, naive in wrmsr(&generator, naive) },
    ]

    /// The same with many different entries in one chunk.
    static let dense: [Row] = instructions + [.command(3_000, "RMPUPDATE") { generator, _ in generator.denseUpdate() }]

    /// Guests, passes and time, with some instructions in between.
    static let guests: [Row] = [
        .command(12, "create") { generator, _ in
            .createGuest(
                name: GuestName(bytes: generator.random.chance(20) ? [0] : [UInt8(97 + generator.random.next() % 9)])
            )
        },
        .command(8, "type") { generator, naive in
            .setGuestType(generator.guest(naive), generator.random.chance(3) ? .ordinary : .snp)
        },
        .command(4, "host") { generator, naive in .setHostMemory(bytes: hostMemory(&generator, naive)) },
        .command(6, "cache") { generator, naive in .setPageCache(bytes: hostMemory(&generator, naive)) },
        .command(20, "memory") { generator, naive in
            let id = generator.guest(naive)
            return .setGuestMemory(id, bytes: generator.memory(naive, id))
        },
        .command(10, "backing") { generator, naive in
            let backing: Backing = generator.random.chance(16) ? .size1G : generator.pick([.size4K, .size2M])
            return .setGuestBacking(generator.guest(naive), backing)
        },
        .command(14, "placement") { generator, naive in
            .setGuestPlacement(generator.guest(naive), generator.placement(naive))
        },
        .command(12, "node") { generator, naive in
            let nodes = naive.setup.configuration.topology.nodeCount
            let node = generator.random.chance(3) ? nil : Int(generator.random.next() % UInt64(nodes + 1))
            return .setGuestNode(generator.guest(naive), node)
        },
        .command(6, "vcpus") { generator, naive in
            .setGuestVCPUs(generator.guest(naive), generator.pick([1, 1, 2, 3, 0, 40]))
        },
        .command(6, "createVM") { generator, naive in .createVM(generator.guest(naive)) },
        .command(26, "start") { generator, naive in .startGuest(generator.guest(naive)) },
        .command(20, "stop") { generator, naive in .stopGuest(generator.guest(naive)) },
        .command(5, "remove") { generator, naive in .removeGuest(generator.guest(naive)) },
        .command(24, "convert") { generator, naive in
            let id = generator.guest(naive)
            return .convert(id, gpa: generator.pages(naive, id), toPrivate: generator.random.chance(2))
        },
        .command(14, "validate") { generator, naive in
            let id = generator.guest(naive)
            return .validate(id, gpa: generator.pages(naive, id), generator.random.chance(2) ? .size2M : .size4K)
        },
        .command(3, "convert") { generator, naive in
            let (id, pages) = generator.pages2M(naive)
            return .convert(id, gpa: pages, toPrivate: false)
        },
        .command(8, "validate") { generator, naive in
            let (id, pages) = generator.pages2M(naive)
            return .validate(id, gpa: pages, pages.count == 2 << 20 ? .size2M : .size4K)
        },
        .command(3, "PSMASH") { generator, naive in .psmash(generator.guest2M(naive)) },
        .command(2, "leak") { generator, naive in
            let first = (generator.random.chance(3) ? generator.address(naive) : generator.chunk()).rawValue >> 12
            return .leak(first..<(first + generator.random.next() % 4))
        },
        .command(16, "request") { _, _ in .reoptimize },
        Row(30, "wait") { _, _ in .wait },
        Row(3, "run") { _, _ in .runToIdle },
        .command(10, "RMPOPT") { generator, naive in rmpopt(&generator, naive) },
        Row(16, "RMPREAD") { generator, naive in .read(generator.guestAddress(naive)) },
        .command(20, "RMPUPDATE") { generator, naive in
            let spa = generator.guestAddress(naive)
            return .rmpupdate(spa, generator.input(spa, generator.random.chance(8) ? .size2M : .size4K))
        },
        // A guest's own 2 MB entry, made immutable by hand, so that splitting it is refused.
        .command(2, "RMPUPDATE") { generator, naive in
            let spa = generator.guest2M(naive)
            let entry = naive.rmp[spa.rawValue / 4096]
            let input = RMPUpdateInput(
                gpa: GPA(entry.gpa),
                assigned: true,
                pageSize: .size2M,
                immutable: true,
                asid: UInt32(entry.asid)
            )
            return .rmpupdate(spa, input)
        },
        .command(4, "PSMASH") { generator, naive in
            .psmash(SPA(generator.guestAddress(naive).rawValue.alignedDown(to: 1 << 21)))
        },
        .command(6, "PVALIDATE") { generator, naive in pvalidate(&generator, naive, generator.guestAddress(naive)) },
        .command(3, "firmware") { generator, naive in change(&generator, generator.guestAddress(naive)) },
        .command(2, "firmware") { generator, naive in .firmwareChange(generator.guestAddress(naive), .swapOut) },
        .command(3, "firmware") { generator, naive in .firmwareChange(generator.guest2M(naive), .swapIn) },
        .command(6, "firmware") { generator, naive in .firmwareChange(generator.guest2M(naive), .swapOut) },
        .command(6, "lock") { generator, naive in .lock(generator.guest2M(naive), generator.random.chance(2)) },
        .command(3, "lock") { generator, naive in .lock(generator.guestAddress(naive), generator.random.chance(2)) },
        .command(2, "lock") { generator, _ in .lock(generator.chunk(), generator.random.chance(2)) },
        .command(2, "hold") { generator, _ in .holdPasses(generator.random.chance(4)) },
    ]

    /// What sequences with guests begin with: a guest that is larger than its initial image, so that it has entries of
    /// 2 MB.
    static let prelude: [(step: Step, kind: String)] = [
        (Step(.perform(.createGuest(name: "large"))), "create"),
        (Step(.perform(.setGuestMemory(GuestID(1), bytes: 20 << 20))), "memory"),
        (Step(.perform(.startGuest(GuestID(1)))), "start"),
    ]

    /// Many guests at a time, of some chunks each, that end and start again while others end.
    static let crowd: [Row] =
        guests + [
            .command(30, "memory") { generator, naive in
                // Most have few pages, since the naive model writes page by page; past the initial image of the others,
                // chunks with 2 MB entries take turns, 80 ns each.
                let chunks = generator.random.chance(5) ? 8 + generator.random.next() % 4 : generator.random.next() % 2
                let pages = generator.random.next() % 24
                return .setGuestMemory(generator.guest(naive), bytes: chunks << 21 + pages << 12)
            },
            .command(200, "start") { generator, naive in .startGuest(generator.guest(naive)) },
            .command(160, "stop") { generator, naive in .stopGuest(generator.guest(naive)) },
            .command(12, "convert") { generator, naive in
                // Shared chunks, which cost nothing to take back at the end.
                let id = generator.guest(naive)
                let memory = naive.guests[id.rawValue]?.memory ?? 0
                let first = memory < 4 << 20 ? 0 : (generator.random.next() % (memory >> 21)) << 21
                return .convert(id, gpa: first..<max(memory, 4096), toPrivate: generator.random.chance(3))
            },
        ]

    /// What such sequences begin with.
    static let crowdPrelude: [(step: Step, kind: String)] = (1...9 as ClosedRange<UInt64>).flatMap { number in
        let id = GuestID(number)
        let chunks = number % 4 == 0 ? 9 : number % 3
        return [
            (Step(.perform(.createGuest(name: GuestName("crowd \(number)")))), "create"),
            (Step(.perform(.setGuestMemory(id, bytes: chunks << 21 + number << 12))), "memory"),
            (Step(.perform(.startGuest(id))), "start"),
        ]
    }

    /// The same with changes to the host: firmware, kexec, hotplug, registers.
    static let host: [Row] =
        guests + [
            .command(5, "online") { generator, naive in
                let cpus = UInt64(naive.setup.configuration.topology.cpuCount)
                return .setOnline(cpu: Int(generator.random.next() % (cpus + 1)), !generator.random.chance(3))
            },
            .command(5, "SNP_INIT_EX") { _, _ in .initializeFirmware },
            .command(4, "SNP_SHUTDOWN_EX") { generator, _ in .shutDownFirmware(x86: generator.random.chance(2)) },
            .command(1, "fail") { generator, _ in
                // An ASID lost this way is lost for the rest of the sequence.
                let count = generator.random.next() % 2
                return generator.random.chance(8) ? .failDecommission(count: count) : .failFirmware(count: count)
            },
            .command(1, "kexec") { generator, naive in .kexec(online: chosenCPUs(&generator, naive)) },
            .command(1, "addMemory") { _, _ in .addMemory },
            .command(6, "WRMSR") { generator, naive in wrmsr(&generator, naive) },
            .command(20, "stop") { generator, naive in .stopGuest(generator.guest(naive)) },
            .command(12, "firmware") { generator, _ in change(&generator, generator.buffer()) },
            .command(24, "RMPUPDATE") { generator, _ in .rmpupdate(generator.buffer(), generator.input(.size4K)) },
            .command(20, "PVALIDATE") { generator, naive in pvalidate(&generator, naive, generator.buffer()) },
            .command(14, "firmware") { generator, _ in .firmwareChange(generator.buffer(), .swapOut) },
        ]

    // MARK: Commands of several tables

    /// Often all CPUs that are present; else some with CPU 0, or, rarely, a set that may be refused.
    private static func chosenCPUs(_ generator: inout Generator, _ naive: NaiveMachine) -> CPUSet? {
        if generator.random.chance(2) { return nil }
        let count = naive.setup.configuration.topology.cpuCount
        var chosen = CPUSet(limit: count)
        for cpu in 0..<count where !generator.random.chance(4) { chosen.insert(cpu) }
        if generator.random.chance(8) { return chosen }
        chosen.insert(0)
        for cpu in 0..<count where !naive.setup.present.contains(cpu) { chosen.remove(cpu) }
        return chosen
    }

    /// Often most of what is free, so that the page cache must make room.
    private static func hostMemory(_ generator: inout Generator, _ naive: NaiveMachine) -> UInt64 {
        switch generator.random.next() % 8 {
        case 0: 0
        case 1: generator.random.next() >> (generator.random.next() % 40)
        case 2, 3: UInt64(naive.cache.count) << 21 + naive.freeMemory.reduce(0) { $0 + $1.bytes }
        default: (generator.random.next() % 512) << 20
        }
    }

    private static func rmpopt(_ generator: inout Generator, _ naive: NaiveMachine) -> Command {
        let cpus = UInt64(naive.setup.configuration.topology.cpuCount)
        let cpu = generator.random.next() % (generator.random.chance(20) ? cpus + 2 : cpus)
        let function = generator.random.chance(30) ? generator.random.next() : generator.random.next() % 2
        return .rmpopt(cpu: Int(cpu), generator.address(naive), function: function)
    }

    private static func change(_ generator: inout Generator, _ spa: SPA) -> Command {
        let change = generator.random.chance(3) ? .reclaim : generator.pick(FirmwareChange.allCases)
        return .firmwareChange(spa, change, gpa: GPA((generator.random.next() % 8) << 12))
    }

    /// Usually with the address and the ASID of the entry.
    private static func pvalidate(_ generator: inout Generator, _ naive: NaiveMachine, _ spa: SPA) -> Command {
        let pfn = spa.rawValue / 4096
        let page = naive.rmp[naive.rmp.isCovered(pfn) && !generator.random.chance(4) ? pfn / 512 * 512 : pfn]
        let is2M = naive.rmp.isCovered(pfn)
        return .pvalidate(
            is2M && generator.random.chance(2) ? SPA(pfn / 512 * 512 * 4096) : spa,
            gpa: GPA(generator.random.chance(12) ? generator.random.next() : page.gpa),
            asid: generator.random.chance(12) ? 2 : UInt16(page.asid),
            is2M != generator.random.chance(4) ? .size2M : .size4K,
            validate: !generator.random.chance(3)
        )
    }

    private static func wrmsr(_ generator: inout Generator, _ naive: NaiveMachine) -> Command {
        let cpus = UInt64(naive.setup.configuration.topology.cpuCount)
        let cpu = Int(generator.random.next() % (cpus + 1))
        switch generator.random.next() % 8 {
        case 0: return .wrmsr(cpu: cpu, MSRs.Number.syscfg, generator.pick([1 << 23, 1 << 24, 0, 1]))
        case 1: return .wrmsr(cpu: cpu, 0xc001_0138, generator.random.next())
        case 2: return .wrmsr(cpu: cpu, RMPOPTBase.msr, generator.random.next())
        case 3: return .wrmsr(cpu: cpu, RMPOPTBase.msr, 0)
        default:
            let base = generator.random.chance(3) ? (generator.random.next() % 3) << 30 : 0
            return .wrmsr(cpu: cpu, RMPOPTBase.msr, base | 1)
        }
    }
}

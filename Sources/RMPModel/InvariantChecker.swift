// SPDX-License-Identifier: Apache-2.0
// What must be true of a machine at any time, checked from scratch: the counts and summaries that make the machine fast
// are compared with what they summarise.

/// Checks a machine against itself; for tests and long simulations, not for each command.
package struct InvariantChecker {
    private let machine: Machine
    private var found: [String] = []

    /// All violations of a machine, each as a sentence; empty when it is sound.
    package static func violations(in machine: Machine) -> [String] {
        var checker = InvariantChecker(machine: machine)
        checker.checkTables()
        checker.checkRMP()
        checker.checkASIDs()
        checker.checkMemory()
        checker.checkWork()
        return checker.found
    }

    private init(machine: Machine) { self.machine = machine }

    private mutating func require(_ holds: Bool, _ sentence: @autoclosure () -> String) {
        if !holds { found.append(sentence()) }
    }

    /// A set bit means: no assigned page, inside that core's window; the counts count.
    private mutating func checkTables() {
        let tables = machine.platform.rmpopt
        for region in 0..<tables.regionCount {
            var set = 0
            for word in 0..<tables.wordsPerRow {
                set += tables.bits[region * tables.wordsPerRow + word].nonzeroBitCount
            }
            let counted = tables.setCores[region]
            require(set == counted, "region \(region): \(set) bits, counted \(counted)")
            if set == 0 { continue }
            let assigned = machine.platform.rmp.assignedPages[region]
            require(assigned == 0, "region \(region) is optimized and holds \(assigned) assigned pages")
            var inWindow = 0
            for core in 0..<tables.coreCount where tables.isSet(region: region, core: core) {
                inWindow += tables.isInWindow(region: region, core: core) ? 1 : 0
            }
            require(inWindow == set, "region \(region): \(set) bits, \(inWindow) of them inside a window")
        }
    }

    private mutating func checkRMP() {
        let rmp = machine.platform.rmp
        var mixedNumbers: Set<UInt64> = []
        for region in 0..<rmp.regionCount {
            var assigned = 0
            if let word = rmp.uniformWord(ofRegion: region) {
                assigned = word.assignedPagesOfFrame * Granularity.framesPerRegion
                require(!word.isMixed && (word.asid == 0), "region \(region) cannot be uniform with \(word.bits)")
                for index in 0..<RMP.frameWords {
                    let bits = rmp.assignedFrames[region * RMP.frameWords + index]
                    require(bits == (word.isAssigned ? .max : 0), "region \(region): frame bits \(bits) are stale")
                }
            } else {
                for frame in (region << 9)..<(region << 9 + Granularity.framesPerRegion) {
                    let word = rmp.frameWord(frame)
                    let pages = word.isMixed ? countAssigned(rmp, frame) : word.assignedPagesOfFrame
                    assigned += pages
                    require(pages == rmp.assignedPages(inFrame: frame), "frame \(frame): \(pages) assigned, miscounted")
                    let bit = rmp.assignedFrames[frame >> 6] >> UInt64(frame & 63) & 1
                    require((bit == 1) == (pages > 0), "frame \(frame): bit \(bit) with \(pages) assigned pages")
                    if word.isMixed {
                        require(mixedNumbers.insert(word.bits).inserted, "frame \(frame) shares its mixed frame")
                        checkMixed(rmp, frame)
                    }
                }
            }
            let counted = rmp.assignedPages[region]
            require(assigned == counted, "region \(region): \(assigned) assigned pages, counted \(counted)")
        }
        require(
            mixedNumbers.count == rmp.mixedFrameCount,
            "\(mixedNumbers.count) mixed frames, counted \(rmp.mixedFrameCount)"
        )
    }

    private func countAssigned(_ rmp: RMP, _ frame: Int) -> Int {
        (0..<Granularity.pagesPerFrame).count { rmp.entry(frame: frame, index: $0).isAssigned }
    }

    private mutating func checkMixed(_ rmp: RMP, _ frame: Int) {
        let first = rmp.entry(frame: frame, index: 0)
        let alike = (0..<Granularity.pagesPerFrame).allSatisfy {
            rmp.entry(frame: frame, index: $0) == first.advanced(pages: $0)
        }
        require(!alike, "frame \(frame) is held as mixed and is uniform")
    }

    /// Each guest that is not stopped has an ASID of its own, and no other ASID is taken.
    private mutating func checkASIDs() {
        var seen: Set<UInt16> = []
        for id in machine.guests.order {
            guard let guest = machine.guests[id] else {
                found.append("guest \(id.rawValue) is listed and does not exist")
                continue
            }
            require((guest.asid != nil) == (guest.state != .stopped), "guest \(id.rawValue): ASID while \(guest.state)")
            require(!guest.isRemoved || guest.state == .ending, "guest \(id.rawValue) is removed and \(guest.state)")
            require(
                guest.isRemoved || machine.guests.id(named: guest.name) == id,
                "guest \(id.rawValue) is not found by its name"
            )
            if let asid = guest.asid {
                require(seen.insert(asid).inserted, "ASID \(asid) has two guests")
                require(machine.guests.asids.isTaken(asid), "ASID \(asid) is in use and free")
            }
        }
        let taken = machine.guests.asids.count
        require(seen.count == taken, "\(taken) ASIDs taken, \(seen.count) used")
    }

    /// Each frame is held once, and exactly the held ones are out of the free memory.
    private mutating func checkMemory() {
        let guests = machine.guests
        var rebuilt = Guests(memory: machine.configuration.memory, firmware: machine.firmware).allocator
        for frame in guests.contexts.frames.map(\.frame) { hold(frame, &rebuilt) }
        for id in guests.order {
            guard let guest = guests[id] else { continue }
            if let context = guest.contextPage {
                let entry = machine.rmpEntry(context)
                let expected = RMPEntry(assigned: true, immutable: true, vmsa: true)
                require(entry == expected, "guest \(id.rawValue): its context page holds \(String(describing: entry))")
            }
            for (number, run) in guest.frames.enumerated() where number >= guest.teardown.run {
                let first = run.first + (number == guest.teardown.run ? guest.teardown.offset : 0)
                for frame in first..<(run.first + run.count) { hold(frame, &rebuilt) }
            }
        }
        require(rebuilt.used == guests.allocator.used, "the frames in use are not those that somebody holds")
    }

    private mutating func hold(_ frame: Int, _ allocator: inout FrameAllocator) {
        require(!allocator.isUsed(frame), "frame \(frame) is held twice")
        allocator.reserve((UInt64(frame) << 21)..<(UInt64(frame + 1) << 21))
    }

    private mutating func checkWork() {
        let machine = machine
        let ending = machine.guests.order.count { machine.guests[$0]?.state == .ending }
        let expected = ending + (machine.passIsRunning ? 1 : 0)
        require(machine.work.count == expected, "\(machine.work.count) pieces of work, expected \(expected)")
        if let due = machine.nextDue { require(due >= machine.now, "work is due at \(due), before \(machine.now)") }
        require(!machine.optimizationInProgress || machine.passIsRunning, "the flag is set and no pass is running")
    }
}

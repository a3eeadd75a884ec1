// SPDX-License-Identifier: Apache-2.0
// How much memory a command may need can be asked in advance, even for one that will be refused, and is never less than
// what the machine then keeps.

import Testing

@testable import RMPModel

@Suite struct MemoryNeedTests {
    private let sizes: [UInt64] = [0, 1, 4_096, 1 << 21, 1 << 30, (1 << 30) + 4_096, 60 << 30, 1 << 63, .max]

    private func machine() throws -> (Machine, GuestID) {
        var machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 64 << 30))
        let guest = try machine.makeGuest("vm", bytes: 8 << 30)
        return (machine, guest)
    }

    /// Numbers come from clients: none may crash the process.
    @Test func takesEveryNumber() throws {
        var (machine, guest) = try machine()
        let nobody = GuestID(77)
        for isRunning in [false, true] {
            if isRunning { try machine.perform(.startGuest(guest), at: machine.now) }
            for start in sizes {
                for end in sizes where start <= end {
                    for id in [guest, nobody] {
                        for command: Command in [
                            .leak(start..<end), .convert(id, gpa: start..<end, toPrivate: false), .startGuest(id),
                            .validate(id, gpa: start..<end, .size2M), .rmpupdate(SPA(start), RMPUpdateInput()),
                        ] {
                            #expect(machine.memoryNeeded(for: command) >= 0, "\(command)")
                        }
                    }
                }
            }
        }
    }

    /// Commands that take memory from the system say so; those that give it back need none, and so work when there is
    /// none.
    @Test func onlyWhatGrows() throws {
        var (machine, guest) = try machine()
        #expect(machine.memoryNeeded(for: .startGuest(guest)) > 0)
        try machine.perform(.startGuest(guest), at: machine.now)
        #expect(machine.memoryNeeded(for: .startGuest(guest)) == 0)
        for command: Command in [.stopGuest(guest), .removeGuest(guest), .reoptimize, .setOnline(cpu: 1, false)] {
            #expect(machine.memoryNeeded(for: command) == 0, "\(command)")
        }
    }

    /// Guests, word lists and mixed chunks come in large numbers: no command stores more of them than it said.
    @Test(
        arguments: ["packed", "local", "aligned", "scattered 1", "ranges 0x140000000-0x340000000"],
        [Backing.size4K, .size2M]
    )
    func keepsNoMore(_ text: String, _ backing: Backing) throws {
        var (machine, guest) = try machine()
        let placement = try Placement(text: Array(text.utf8))
        // Breaks free memory into many pieces.
        for region in stride(from: UInt64(20), to: 40, by: 2) {
            try machine.perform(.leak((region << 18) + 7..<(region << 18) + 9), at: machine.now)
        }
        try machine.perform(.setGuestPlacement(guest, placement), at: machine.now)
        try machine.perform(.setGuestBacking(guest, backing), at: machine.now)
        for command: Command in [
            .startGuest(guest), .convert(guest, gpa: 4_096..<(3 << 30) + 8_192, toPrivate: false),
            .convert(guest, gpa: 8_192..<(2 << 30) - 4_096, toPrivate: true),
            .validate(guest, gpa: 0..<1 << 30, .size4K),
        ] {
            let need = machine.memoryNeeded(for: command)
            let before = machine.storedBytes
            try machine.perform(command, at: machine.now)
            #expect(machine.storedBytes - before <= need, "\(command)")
        }
    }

    /// Removing guests frees what was stored for them.
    @Test func goesBack() throws {
        var (machine, guest) = try machine()
        try machine.perform(.removeGuest(guest), at: machine.now)
        let before = machine.storedBytes
        for round in 0..<2 {
            var guests: [GuestID] = []
            for number in 0..<40 { guests.append(try machine.makeGuest("vm\(number)", bytes: 200 << 20)) }
            for guest in guests {
                try machine.perform(.setGuestPlacement(guest, .scattered(seed: UInt64(round))), at: machine.now)
                try machine.perform(.startGuest(guest), at: machine.now)
                try machine.perform(.convert(guest, gpa: 4_096..<100 << 20, toPrivate: false), at: machine.now)
            }
            #expect(machine.storedBytes > before + 40 * 9_000)
            for guest in guests { try machine.perform(.removeGuest(guest), at: machine.now) }
            machine.runToIdle()
            #expect(machine.storedBytes == before)
        }
    }
}

@Suite struct SpareRoomTests {
    @Test func arrays() {
        var array = Array(0..<100_000)
        array.removeLast(99_000)
        array.giveRoomBack()
        #expect(array == Array(0..<1_000) && array.capacity < 4_000)
    }

    @Test func dictionaries() {
        var dictionary = Dictionary(uniqueKeysWithValues: (0..<100_000).map { ($0, -$0) })
        for key in 1_000..<100_000 {
            dictionary[key] = nil
            dictionary.giveRoomBack()
        }
        #expect(dictionary == Dictionary(uniqueKeysWithValues: (0..<1_000).map { ($0, -$0) }))
        #expect(dictionary.capacity < 16_000)
    }

    /// A collection that is small or well filled keeps its storage.
    @Test func notEachTime() {
        var array = Array(0..<10_000)
        array.removeLast(5_000)
        let before = array.capacity
        array.giveRoomBack()
        #expect(array.capacity == before)
    }
}

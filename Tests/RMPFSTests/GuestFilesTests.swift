// SPDX-License-Identifier: Apache-2.0
// Guests through their files, as a shell would: each state, and the errno of each refusal.

import Testing

@testable import RMPFS

@Suite struct GuestFilesTests {
    private let host: Host

    init() throws {
        host = try Host()
        try host.root.folder("rmpsim/guests").mkdir("g0")
    }

    private static let memory = "rmpsim/guests/g0/memory"
    private static let state = "rmpsim/guests/g0/state"

    @Test func aNewGuestIsStoppedAndHasNoMemory() throws {
        #expect(try host.read(Self.memory) == "0\n")
        #expect(try host.read(Self.state) == "stopped\n")
    }

    @Test(arguments: [
        ("4096", "4096\n"), ("64K\n", "65536\n"), ("1G", "1073741824\n"), ("0x1000", "4096\n"),
        ("64G", "68719476736\n"),
        ("0", "0\n"),
    ])
    func memoryIsTaken(written: String, shown: String) throws {
        try host.write(Self.memory, written)
        #expect(try host.read(Self.memory) == shown)
    }

    @Test(
        arguments: [
            ("", .invalid), ("x", .invalid), ("-1", .invalid), ("1GB", .invalid), ("4097", .invalid), ("1K", .invalid),
            ("18446744073709551616", .outOfRange), ("16384P", .outOfRange), ("65G", .noSpace), ("1T", .noSpace),
        ] as [(String, Errno)]
    )
    func memoryIsRefused(written: String, error: Errno) throws {
        try host.write(Self.memory, "1G")
        #expect(host.refusal(Self.memory, written) == error)
        #expect(try host.read(Self.memory) == "1073741824\n", "nothing has changed")
    }

    @Test(arguments: ["", "\n", "Running", "running ", "ending", "1", "run", "stopped\n\n", " stopped"])
    func otherStatesAreInvalid(written: String) throws {
        try host.write(Self.memory, "1G")
        #expect(host.refusal(Self.state, written) == .invalid)
        #expect(try host.read(Self.state) == "stopped\n")
    }

    @Test func aGuestWithoutMemoryDoesNotStart() throws {
        #expect(host.refusal(Self.state, "running") == .invalid)
        #expect(try host.read(Self.state) == "stopped\n")
    }

    @Test func aGuestThatDoesNotFitDoesNotStart() throws {
        let before = try host.read("debug/rmpopt/rmpopt-table")
        try host.write(Self.memory, "64G")
        #expect(host.refusal(Self.state, "running") == .noSpace)
        #expect(try host.read(Self.state) == "stopped\n")
        #expect(try host.read("debug/rmpopt/rmpopt-table") == before)
        try host.write(Self.memory, "40G")
        #expect(host.refusal(Self.state, "running") == nil)
        try host.makeGuest("g1", memory: "40G")
        #expect(host.refusal("rmpsim/guests/g1/state", "running") == .noSpace)
    }

    @Test func aRunningGuestIsBusy() throws {
        try host.write(Self.memory, "1G")
        try host.write(Self.state, "running\n")
        #expect(host.refusal(Self.memory, "2G") == .busy)
        #expect(host.refusal(Self.state, "running") == nil, "it is running already")
        #expect(try host.read(Self.memory) == "1073741824\n")
        #expect(try host.read(Self.state) == "running\n")
    }

    @Test func anEndingGuestIsBusy() throws {
        try host.write(Self.memory, "1G")
        #expect(host.refusal(Self.state, "stopped") == nil, "it is stopped already")
        try host.write(Self.state, "running")
        try host.write(Self.state, "stopped")
        #expect(try host.read(Self.state) == "ending\n")
        #expect(host.refusal(Self.state, "running") == .busy)
        #expect(host.refusal(Self.memory, "2G") == .busy)
        #expect(host.refusal(Self.state, "stopped") == nil)
        try host.write("rmpsim/clock", "+1min")
        #expect(try host.read(Self.state) == "stopped\n")
        #expect(host.refusal(Self.memory, "2G") == nil)
    }

    @Test func namesAreTakenOnce() throws {
        let guests = try host.root.folder("rmpsim/guests")
        #expect(refusal(of: { try guests.mkdir("g0") }) == .exists)
        #expect(refusal(of: { try guests.makeItem(named: [UInt8](repeating: 0x78, count: 256)) }) == .nameTooLong)
        #expect(refusal(of: { try guests.makeItem(named: [UInt8](repeating: 0x78, count: 255)) }) == nil)
    }

    @Test func rmdirEndsARunningGuest() throws {
        let atBoot = try host.optimizedRegions()
        try host.write(Self.memory, "8G")
        try host.write(Self.state, "running")
        let opened = try host.root.file(Self.state).open(.both)
        try host.root.folder("rmpsim/guests").rmdir("g0")
        #expect(refusal(of: { try opened.text() }) == .noSuchFile)
        #expect(refusal(of: { try opened.write("stopped") }) == .noSuchFile)
        #expect(refusal(of: { try host.read(Self.state) }) == .noSuchFile)

        // The name is free at once, and belongs to another guest.
        try host.makeGuest("g0", memory: "1G")
        #expect(try host.read(Self.state) == "stopped\n")
        #expect(refusal(of: { try opened.write("running") }) == .noSuchFile)
        #expect(try host.read(Self.state) == "stopped\n")

        try host.write("rmpsim/clock", "+1min")
        try host.write("rmpopt/reenable", "1")
        try host.write("rmpsim/clock", "+1min")
        #expect(try host.optimizedRegions() == atBoot, "its memory went back")
    }

    @Test func thereAre1006ASIDs() throws {
        for number in 0...1006 {
            try host.makeGuest("guest\(number)", memory: "4K")
            let answer = host.refusal("rmpsim/guests/guest\(number)/state", "running")
            #expect(answer == (number < 1006 ? nil : .noSpace), "guest \(number)")
        }
        try host.root.folder("rmpsim/guests").rmdir("guest5")
        try host.write("rmpsim/clock", "+1min")
        #expect(host.refusal("rmpsim/guests/guest1006/state", "running") == nil)
    }
}

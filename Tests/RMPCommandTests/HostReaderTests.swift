// SPDX-License-Identifier: Apache-2.0
// The readers of a mount's files: what they accept, and that errors name file and line.

import Testing

@testable import RMPCommand

@Suite struct HostReaderTests {
    private func text(_ text: String) -> HostText { HostText(name: "file", bytes: Array(text.utf8)) }

    // MARK: Lists of CPUs

    @Test(arguments: [
        ("none", 0), ("0", 1), ("0-1023", 1024), ("0-3,8,12-15", 9), ("1048576", 1),
    ])
    func cpuList(list: String, count: Int) throws {
        #expect(CPURanges(Array(list.utf8)[...])?.count == count)
    }

    @Test(arguments: [
        "", "-", "0-", "-3", "3-0", "0-0", "1,1", "2,1", "0,", ",0", "0 ", "none ", "0-3,2-5", "1048577", "x",
        "99999999999999999999",
    ])
    func noCPUList(list: String) {
        #expect(CPURanges(Array(list.utf8)[...]) == nil)
    }

    // MARK: rmpopt-table

    @Test func debugfsTable() throws {
        let rows = try DebugfsTableReader.rows(
            text("Memory @ 98GB: CPU(s): none\nMemory @ 99GB: CPU(s): 0-7\nMemory @100GB: CPU(s): 0-7\n")
        )
        #expect(rows.map(\.region) == [98, 99, 100])
        #expect(rows.map(\.cpus.count) == [0, 8, 8])
        #expect(try DebugfsTableReader.rows(text("")).isEmpty)
    }

    @Test(arguments: [
        ("Memory @  0GB: CPU(s): none\nMemory @  2GB: CPU(s): none\n", 2, "does not follow"),
        ("Memory @  0GB: CPU(s): none\nMemory @  1GB: CPU(s): no", 2, "cut"),
        ("Memory @  0GB: CPU(s): 3-1\n", 1, "list of CPUs"),
        ("Memory @  0GB: optimized\n", 1, "CPU(s)"),
        ("\n", 1, "Memory"),
        ("Memory @GB: CPU(s): none\n", 1, "Memory"),
        ("\u{1B}[31m\n", 1, "'?[31m'"),
    ])
    func wrongTable(content: String, line: Int, says: String) {
        expectError(line, says) { _ = try DebugfsTableReader.rows(text(content)) }
    }

    // MARK: cpuN

    @Test func cpuFile() throws {
        let rows = try CPUFileReader.rows(
            text("Memory @  0GB: checked\nMemory @  1GB: optimized\nMemory @  8GB: outside\nMemory @  9GB: unchecked\n")
        )
        #expect(rows.map(\.region) == [0, 1, 8, 9])
        #expect(rows.map(\.status) == [.checked, .optimized, .outside, .unchecked])
    }

    @Test(arguments: [
        ("Memory @  0GB: fast\n", 1, "optimized, checked, outside"),
        ("Memory @  0GB: checked \n", 1, "optimized, checked, outside"),
        ("Memory @  1GB: checked\nMemory @  1GB: checked\n", 2, "comes after"),
        ("Memory @  1GB: checked\nMemory @  2GB: che", 2, "cut"),
    ])
    func wrongCPUFile(content: String, line: Int, says: String) {
        expectError(line, says) { _ = try CPUFileReader.rows(text(content)) }
    }

    // MARK: blockers

    @Test func blockers() throws {
        let rows = try BlockersReader.rows(
            text(
                """
                Memory @  0GB: RMP table 16384 pages, firmware 3 pages
                Memory @  5GB: guest vm0 (asid 5) 262144 pages, leaked 1 pages
                Memory @  6GB: not scanned
                Memory @900GB: outside the window of CPU(s) 0-511,600, RMPOPT not enabled on CPU(s) 7

                """
            )
        )
        #expect(rows.map(\.region) == [0, 5, 6, 900])
        #expect(rows[0].reasons == [.rmpTable(pages: 16384), .firmware(pages: 3)])
        #expect(rows[1].reasons == [.guest(name: "vm0", asid: 5, pages: 262144), .leaked(pages: 1)])
        #expect(rows[2].reasons == [.notScanned])
        #expect(rows[3].reasons == [.outside(cpus: "0-511,600"), .notEnabled(cpus: "7")])
    }

    /// Names as the file escapes them.
    @Test(arguments: [
        ("vm0", "vm0"), ("vm\\0400", "vm 0"), ("a\\054\\040b", "a, b"), ("\\134", "\\"), ("1\\0122", "1\n2"),
        ("é", "é"),
        ("(asid", "(asid"), ("?", "?"),
    ])
    func guestNames(escaped: String, name: String) throws {
        let guests = "guest \(escaped) (asid 7) 5 pages"
        let line = "Memory @ 10GB: firmware 9 pages, \(guests), leaked 1 pages, not covered 512 pages\n"
        let rows = try BlockersReader.rows(text(line + "Memory @ 11GB: not scanned\n"))
        #expect(rows.map(\.region) == [10, 11])
        let guest = HostBlocker.guest(name: name, asid: 7, pages: 5)
        #expect(rows[0].reasons == [.firmware(pages: 9), guest, .leaked(pages: 1), .uncovered(pages: 512)])
    }

    @Test(arguments: [
        ("Memory @  0GB: \n", 1), ("Memory @  0GB: not scanned, \n", 1), ("Memory @  0GB: moon\n", 1),
        ("not scanned\n", 1), ("Memory @  0GB: not scanned\nMemory @  1GB: guest a 5 pages\n", 2),
        ("Memory @  0GB: leaked -1 pages\n", 1), ("Memory @  0GB: outside the window of CPU(s) none,\n", 1),
        ("Memory @  0GB: guest a\\9 (asid 1) 5 pages\n", 1), ("Memory @  0GB: guest a\\777 (asid 1) 5 pages\n", 1),
        ("Memory @  0GB: guest  (asid 1) 5 pages\n", 1), ("Memory @  0GB: guest a (asid 1) 5 pages \n", 1),
    ])
    func wrongBlockers(content: String, line: Int) {
        expectError(line, "is not") { _ = try BlockersReader.rows(text(content)) }
    }

    @Test func blockersMustAscend() {
        expectError(2, "comes after") {
            _ = try BlockersReader.rows(text("Memory @  1GB: not scanned\nMemory @  1GB: not scanned\n"))
        }
    }

    /// What a host that only has a kernel's table says.
    @Test func blockersOfAKernel() throws {
        let line = "Memory @  7GB: reason unknown, not optimized on CPU(s) 0-3,8\n"
        #expect(try BlockersReader.rows(text(line))[0].reasons == [.unexplained(cpus: "0-3,8")])
    }

    // MARK: metrics

    @Test func countsOfCPUs() throws {
        let counts = try CPUCountsReader.counts(
            text(
                """
                # TYPE rmpopt_cpu_regions_optimized gauge
                rmpopt_regions 64
                rmpopt_cpu_regions_optimized{cpu="0"} 62
                rmpopt_cpu_regions_optimized{cpu="1023"} 0

                """
            )
        )
        #expect(counts == [0: 62, 1023: 0])
    }

    @Test(arguments: ["0\"}", "0\"} -1", "x\"} 1", "1048577\"} 1", "0\"} 1 2", "0\"} ", "\"} 1"])
    func wrongCounts(rest: String) {
        let line = "rmpopt_cpu_regions_optimized{cpu=\"\(rest)\n"
        expectError(2, "is not") { _ = try CPUCountsReader.counts(text("rmpopt_regions 64\n" + line)) }
    }

    /// CPUs are alike if they have the same number and are in the same lists; with unscanned regions, one CPU
    /// represents all only if it has none or all of those.
    @Test func groupsOfCPUs() throws {
        let blockers = try BlockersReader.rows(
            text(
                """
                Memory @  0GB: RMP table 5 pages
                Memory @  1GB: not scanned
                Memory @  2GB: not scanned, outside the window of CPU(s) 2-3
                Memory @  3GB: outside the window of CPU(s) 2-3

                """
            )
        )
        let groups = CPUGroups([0, 1, 2, 3, 4, 5], [0: 2, 1: 2, 2: 2, 3: 2, 4: 3, 5: 2], blockers)
        #expect(groups.groups == [[0, 1, 5], [2, 3], [4]])
        func rows(_ optimized: Set<UInt64>) -> [CPUFileReader.Row] {
            (0..<5).map { CPUFileReader.Row(region: $0, status: optimized.contains($0) ? .optimized : .checked) }
        }
        #expect(groups.speaksForGroup(rows([3, 4])) && groups.speaksForGroup(rows([1, 2, 3, 4])))
        #expect(!groups.speaksForGroup(rows([1, 4])))
    }

    // MARK: passes and schedule

    private static let header = PassesReader.columns.joined(separator: " ") + "\n"

    @Test func passes() throws {
        let rows = try PassesReader.passes(
            text(
                Self.header + "1 boot 0 5 1 2 3 4 5 6 7 8 9 10 11 12 13 14\n2 request 9 - - - - - - - - - - - - - - -\n"
            )
        )
        #expect(rows.map(\.number) == [1, 2])
        #expect(rows[0].end == 5 && rows[0].leader == 1 && rows[0].outside == 8)
        #expect(rows[0].calls == 9 && rows[0].interrupts == 10 && rows[0].interruptsOff == 11)
        #expect(rows[0].executions == 12 && rows[0].inVain == 13 && rows[0].stolen == 14)
        #expect(rows[1].trigger == "request" && rows[1].end == nil)
        #expect(try PassesReader.passes(text(Self.header)).isEmpty)
    }

    @Test(arguments: [
        ("pass trigger\n", 1), (header + "1 boot 0 5 1 2 3 4 5 6 7 8 9 10 11 12 13\n", 2),
        (header + "1 boot 0 5 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n", 2),
        (header + "1 boot 9 5 1 2 3 4 5 6 7 8 9 10 11 12 13 14\n", 2),
        (header + "1 boot 0 x 1 2 3 4 5 6 7 8 9 10 11 12 13 14\n", 2),
        (header + "- boot 0 5 1 2 3 4 5 6 7 8 9 10 11 12 13 14\n", 2),
    ])
    func wrongPasses(content: String, line: Int) {
        expectError(line, "is not") { _ = try PassesReader.passes(text(content)) }
    }

    @Test func schedule() throws {
        let pending = try Schedule(text("running: no\npending: yes\ndue_ns: 123\nasked_by: guest-end\n"))
        #expect(!pending.isRunning && pending.isPending && pending.due == 123 && pending.askedBy == "guest-end")
        let idle = try Schedule(text("running: no\npending: no\ndue_ns: -\nasked_by: -\n"))
        #expect(!idle.isPending && idle.due == nil && idle.askedBy == nil)
    }

    @Test(arguments: [
        ("running: maybe\npending: no\ndue_ns: -\nasked_by: -\n", 1, "running: yes"),
        ("running: no\npending: no\ndue_ns: soon\nasked_by: -\n", 3, "due_ns"),
        ("running: no\npending\ndue_ns: -\nasked_by: -\n", 2, "name: value"),
    ])
    func wrongSchedule(content: String, line: Int, says: String) {
        expectError(line, says) { _ = try Schedule(text(content)) }
    }

    @Test func scheduleWithoutALine() {
        expectError(nil, "asked_by") { _ = try Schedule(text("running: no\npending: no\ndue_ns: -\n")) }
    }

    /// The error names the file and the line.
    private func expectError(_ line: Int?, _ says: String, _ body: () throws -> Void) {
        do {
            try body()
            Issue.record("no error")
        } catch let error as HostFileError {
            #expect(error.path == "file" && error.line == line)
            #expect(error.description.contains(says), "\(error)")
            #expect(error.description.hasPrefix(line.map { "file:\($0): " } ?? "file: "))
        } catch {
            Issue.record("\(error)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Many clients on one mount at once; every line they read is checked.

import Foundation
import Glibc
import Synchronization
import Testing

@Suite(.enabled(if: Mounting.isPossible, Mounting.reason), .serialized)
struct StressTests {
    private static let threads = 32
    private static let cpus = 8
    private static let regions = 300

    /// What went wrong in any thread, and how much went right.
    private final class Report: Sendable {
        private let complaints = Mutex<[String]>([])
        private let calls = Atomic<Int>(0)

        func complain(_ text: String) { complaints.withLock { $0.append(text) } }
        func count() { calls.add(1, ordering: .relaxed) }
        var first: String? { complaints.withLock { $0.first } }
        var total: Int { calls.load(ordering: .relaxed) }
    }

    @Test(.timeLimit(.minutes(2))) func clientsOfEveryKind() throws {
        let options = ["--cpus", "\(Self.cpus)", "--memory", "\(Self.regions)G", "--pace", "1000"]
        try withMount(options) { mount in
            let report = Report()
            let end = ContinuousClock.now + .seconds(2)
            let group = DispatchGroup()
            let root = mount.folder.path
            for number in 0..<Self.threads {
                group.enter()
                Thread.detachNewThread {
                    var round = 0
                    while ContinuousClock.now < end, report.first == nil {
                        do {
                            try Self.turn(root, number, round, report)
                            report.count()
                        } catch {
                            report.complain("client \(number), round \(round): \(error)")
                        }
                        round += 1
                    }
                    group.leave()
                }
            }
            #expect(group.wait(timeout: .now() + 40) == .success, "a client hangs")
            #expect(report.first == nil)
            #expect(report.total > Self.threads)
            let lines = try slurp(root + "/debug/rmpopt/rmpopt-table").split(separator: "\n")
            #expect(lines.count >= Self.regions)
        }
    }

    private static func turn(_ root: String, _ number: Int, _ round: Int, _ report: Report) throws {
        switch number % 8 {
        case 0, 1:
            let text = try slurp(root + "/debug/rmpopt/rmpopt-table", size: [65536, 4096, 1000][round % 3])
            check(table: text, report)
        case 2:
            let text = try slurp(root + "/debug/rmpopt/cpu\(round % cpus)", size: [65536, 4096, 777][round % 3])
            check(text, report) { $0 == "optimized" || $0 == "checked" }
        case 3:
            try put("1\n", root + "/rmpopt/action")
            let text = try slurp(root + "/rmpopt/action")
            if !["RMP optimization in progress: Yes\n", "RMP optimization in progress: No\n"].contains(text) {
                report.complain("action: \(text)")
            }
        case 4:
            let file = try Descriptor(root + "/rmpopt/reenable", O_RDWR)
            if RMPCommandTests.number(of: { try file.write("2") }) != EINVAL { report.complain("2 was taken") }
            if RMPCommandTests.number(of: { try file.write("99999999999") }) != ERANGE { report.complain("not ERANGE") }
            let text = try file.pread(10, 0)
            if text != "0\n" && text != "1\n" { report.complain("reenable: \(text)") }
        case 5:
            try guest(root + "/rmpsim/guests/own\(number)", report)
        case 6:
            try contest(root + "/rmpsim/guests/shared", report)
        default:
            let clock = try Descriptor(root + "/rmpsim/clock", O_RDWR)
            let before = UInt64(try clock.read(100).dropLast()) ?? .max
            try clock.write("+1ms")
            let after = UInt64(try clock.pread(100, 0).dropLast()) ?? 0
            if after < before + 1_000_000 { report.complain("the clock: \(before), then \(after)") }
        }
    }

    /// A guest that only one thread uses.
    private static func guest(_ path: String, _ report: Report) throws {
        try RMPCommandTests.check(Int(mkdir(path, 0o755)))
        try put("2G", path + "/memory")
        if try slurp(path + "/memory") != "2147483648\n" { report.complain("memory") }
        try put("running", path + "/state")
        if try slurp(path + "/state") != "running\n" { report.complain("not running") }
        if RMPCommandTests.number(of: { try put("1G", path + "/memory") }) != EBUSY { report.complain("not busy") }
        try RMPCommandTests.check(Int(rmdir(path)))
    }

    /// A guest that several threads make and remove: some thread's turn must explain each answer.
    private static func contest(_ path: String, _ report: Report) throws {
        let made = mkdir(path, 0o755) == 0 ? 0 : errno
        if made != 0 && made != EEXIST { report.complain("mkdir: \(made)") }
        let stored = RMPCommandTests.number(of: { try put("4096", path + "/memory") })
        if ![0, ENOENT].contains(stored) { report.complain("memory: \(stored)") }
        let removed = rmdir(path) == 0 ? 0 : errno
        if removed != 0 && removed != ENOENT { report.complain("rmdir: \(removed)") }
    }

    private static func check(table text: String, _ report: Report) {
        // The line after the last region is lost if a page happens to end just before it.
        let lines = text.split(separator: "\n")
        guard lines.count == regions || lines.count == regions + 1 else {
            return report.complain("a table of \(lines.count) lines")
        }
        // The first threads take part in v1's passes; a line may mix in what they found for the region at work.
        let half = cpus / 2
        let good = ["none", "0-\(cpus - 1)", "0-\(half - 1)", "\(half)-\(cpus - 1)"].map { "CPU(s): " + $0 }
        check(lines, report) { good.contains(String($0)) }
    }

    private static func check(_ text: String, _ report: Report, _ isGood: (Substring) -> Bool) {
        let lines = text.split(separator: "\n")
        if lines.count != regions { report.complain("\(lines.count) lines") }
        check(lines, report, isGood)
    }

    private static func check(_ lines: [Substring], _ report: Report, _ isGood: (Substring) -> Bool) {
        for (number, line) in lines.enumerated() {
            let digits = "\(number)"
            let head = "Memory @" + String(repeating: " ", count: max(0, 3 - digits.count)) + digits + "GB: "
            if !line.hasPrefix(head) || !isGood(line.dropFirst(head.count)) {
                report.complain("line \(number): \(line)")
            }
        }
    }
}

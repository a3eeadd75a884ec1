// SPDX-License-Identifier: Apache-2.0
// Each check of `rmpfs doctor` on trees that represent hosts: what passes, what one change breaks, what follows from
// that, and the verdict.

import Foundation
import RMPFS
import Testing

@testable import RMPCommand

@Suite struct DoctorTests {
    /// A change to a healthy host, and the check's result.
    struct Case: Sendable, CustomTestStringConvertible {
        let check: String
        let what: String
        var status = CheckStatus.fail
        var mountPoint = "/mnt/free"
        /// Part of the message or the hint.
        var says: String
        let change: @Sendable (HostTree) throws -> Void
        var testDescription: String { "\(check): \(what)" }
    }

    static let cases: [Case] = [
        Case(check: "operating-system", what: "not Linux", says: "FreeBSD") {
            try $0.write("proc/sys/kernel/ostype", "FreeBSD\n")
        },
        Case(check: "operating-system", what: "no proc", says: "Mount /proc") {
            try $0.remove("proc/sys/kernel/ostype")
        },
        Case(check: "operating-system", what: "another processor", says: "riscv64") {
            try $0.write("proc/sys/kernel/arch", "riscv64\n")
        },
        Case(check: "kernel-version", what: "5.3", says: "too old") {
            try $0.write("proc/sys/kernel/osrelease", "5.3.18-default\n")
        },
        Case(check: "kernel-version", what: "5.4", status: .pass, says: "5.4.0") {
            try $0.write("proc/sys/kernel/osrelease", "5.4.0\n")
        },
        Case(check: "kernel-version", what: "nonsense", says: "not a version") {
            try $0.write("proc/sys/kernel/osrelease", "next\n")
        },
        Case(check: "fuse-module", what: "not there", says: "modprobe fuse") {
            try $0.write("proc/filesystems", "nodev\tproc\nnodev\tfusectl\n")
        },
        Case(check: "fuse-device", what: "not there", says: "--device /dev/fuse") { try $0.remove("dev/fuse") },
        Case(check: "mount-privilege", what: "no helper", says: "apt-get install fuse3") {
            try $0.remove("usr/bin/fusermount3")
        },
        Case(check: "mount-privilege", what: "not setuid", says: "chmod 4755") {
            chmod($0.root.appending(path: "usr/bin/fusermount3").path, 0o755)
        },
        Case(check: "mount-privilege", what: "no_new_privs", says: "no_new_privs") {
            let status = "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0\nNoNewPrivs:\t1\n"
            try $0.write("proc/self/status", status)
        },
        Case(check: "mount-privilege", what: "root in a container", says: "--cap-add SYS_ADMIN") {
            try $0.write("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\n")
        },
        Case(check: "mount-privilege", what: "root", status: .pass, says: "CAP_SYS_ADMIN") {
            try $0.write("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n")
        },
        Case(check: "allow-other", what: "not set", status: .notApplicable, says: "not set") {
            try $0.write("etc/fuse.conf", "#user_allow_other\n")
        },
        Case(check: "mount-point-answers", what: "not there", mountPoint: "/mnt/gone", says: "mkdir -p") { _ in },
        Case(check: "mount-point-free", what: "a mount of ours", mountPoint: "/mnt/used", says: "rmpfs unmount") { _ in
        },
        Case(check: "mount-point-folder", what: "a file", mountPoint: "/mnt/full/file", says: "not a folder") { _ in },
        Case(check: "mount-point-empty", what: "not empty", mountPoint: "/mnt/full", says: "-o nonempty") { _ in },
        Case(check: "configfs", what: "not mounted", status: .notApplicable, says: "not mounted") {
            try $0.write("proc/self/mountinfo", "")
        },
        Case(check: "debugfs", what: "unknown to the kernel", status: .notApplicable, says: "no debugfs") {
            try $0.write("proc/self/mountinfo", "")
            try $0.write("proc/filesystems", "nodev\tfuse\n")
        },
        Case(check: "kernel-rmpopt", what: "no such kernel", status: .notApplicable, says: "no RMPOPT files") {
            try $0.remove("sys/kernel/debug")
        },
        Case(check: "kernel-rmpopt", what: "v1 without debugfs", says: "mount -t debugfs") {
            try $0.remove("sys/kernel/debug")
            try $0.write("sys/kernel/config/rmpopt/action", "")
        },
        Case(check: "kernel-rmpopt-driver", what: "none", status: .notApplicable, says: "no RMPOPT driver") {
            try $0.write("proc/kallsyms", "0 T snp_prepare\n")
        },
        Case(check: "kernel-rmpopt-driver", what: "closed", status: .notApplicable, says: "cannot be read") {
            try $0.remove("proc/kallsyms")
        },
        Case(check: "kernel-rmpopt-driver", what: "v4 to v10", status: .pass, says: "the driver of v4 to v10") {
            try $0.write("proc/kallsyms", "0 T snp_setup_rmpopt\n")
        },
        Case(check: "kernel-rmpopt-driver", what: "v1 to v3", status: .pass, says: "the driver of v1 to v3") {
            try $0.write("proc/kallsyms", "0 T snp_perform_rmp_optimization\n")
        },
        Case(check: "kernel-rmpopt-driver", what: "Linux", status: .pass, says: "of merged; it shows no files") {
            try $0.write("proc/kallsyms", "0 t x\n0 T snp_enable_rmpopt_not\n0 T snp_enable_rmpopt\t[m]\n")
        },
        Case(check: "amd-processor", what: "another vendor", status: .notApplicable, says: "GenuineIntel") {
            try $0.setLeaf(0, [0x10, 0x756E_6547, 0x6C65_746E, 0x4965_6E69])
        },
        Case(check: "amd-processor", what: "through a hypervisor", status: .pass, says: "hypervisor") {
            try $0.setLeaf(1, [0, 0, 1 << 31, 0])
        },
        Case(check: "snp", what: "no SNP", status: .notApplicable, says: "SEV-SNP") {
            try $0.setLeaf(0x8000_001F, [1 << 3 | 1 << 5, 0, 0, 0])
        },
        Case(check: "snp", what: "no such leaf", status: .notApplicable, says: "leaf") {
            try $0.setLeaf(0x8000_0000, [0x8000_001E, 0, 0, 0])
        },
        Case(check: "segmented-rmp", what: "not segmented", status: .notApplicable, says: "segmented") {
            try $0.setLeaf(0x8000_001F, [1 << 4, 0, 0, 0])
        },
        Case(check: "rmpopt", what: "Zen 5", status: .notApplicable, says: "RMPOPT") {
            try $0.setLeaf(0x8000_0025, [34 << 6 | 30, 1, 1, 0xFFFE])
        },
        Case(check: "msr-device", what: "no module", says: "modprobe msr") { try $0.remove("dev/cpu/0/msr") },
        Case(check: "snp-enabled", what: "only bits 23 and 25", says: "SNP_EN is clear") {
            try $0.setRegister(0xC001_0010, cpu: 0, 1 << 23 | 1 << 25)
        },
        Case(check: "rmp-table", what: "none", says: "RMP_BASE is 0") {
            try $0.setRegister(0xC001_0132, cpu: 0, 0x1FFF)
        },
        Case(check: "rmp-table", what: "END below BASE", says: "not above") {
            try $0.setRegister(0xC001_0136, cpu: 0, 0)
            try $0.setRegister(0xC001_0133, cpu: 0, 0xFFFF_E000)
        },
        Case(check: "rmp-table", what: "contiguous", status: .pass, says: "0x100000000 to 0x1ffffffff") {
            try $0.setRegister(0xC001_0136, cpu: 0, 0)
            try $0.setRegister(0xC001_0133, cpu: 0, 0x1_FFFF_E000)
        },
        Case(check: "rmp-memory", what: "no device", status: .notApplicable, says: "there is no /dev/mem. Boot") {
            try $0.remove("dev/mem")
        },
        Case(check: "rmp-memory", what: "too short", status: .notApplicable, says: "ends before 0x100000000") {
            try $0.write("dev/mem", "")
        },
        Case(check: "rmp-segmented", what: "off", says: "SegmentedRmpEn") {
            try $0.setRegister(0xC001_0136, cpu: 0, 34 << 8)
            try $0.setRegister(0xC001_0133, cpu: 0, 0x1_FFFF_E000)
        },
        Case(check: "rmpopt-base", what: "off on one CPU", says: "1 of 2 CPUs, the first being CPU 1") {
            try $0.setRegister(0xC001_0139, cpu: 1, 0)
        },
        Case(check: "rmpopt-base", what: "two windows", status: .pass, says: "0x0, 0x20000000000") {
            try $0.setRegister(0xC001_0139, cpu: 1, 0x200_0000_0001)
        },
        Case(check: "memory", what: "too little", says: "97 MB") {
            try $0.write("proc/meminfo", "MemAvailable:    100000 kB\n")
        },
        Case(check: "open-files", what: "too few", says: "only 16") {
            try $0.write("proc/self/limits", "Max open files            16      4096     files\n")
        },
        Case(check: "processes", what: "too few", says: "only 8") {
            try $0.write("proc/self/limits", "Max processes             8      4096     processes\n")
        },
    ]

    @Test(arguments: cases) func check(_ test: Case) throws {
        let tree = try HostTree()
        try test.change(tree)
        let diagnosis = tree.diagnose(mountPoint: test.mountPoint)
        let result = try #require(diagnosis.results.first { $0.check.name == test.check })
        #expect(result.status == test.status, "\(result.message)")
        #expect((result.message + " " + (result.hint ?? "")).contains(test.says), "\(result)")
        #expect((result.hint == nil) == (test.status != .fail))
        if test.status == .fail { #expect(diagnosis.hasFailures) }
    }

    /// Changes to a healthy host, and the verdicts.
    static let verdicts: [(verdict: String, change: @Sendable (HostTree) throws -> Void)] = [
        ("This machine can mount; its kernel has RMPOPT, so simulated hosts and --engine kernel.", { _ in }),
        (
            "This machine can mount; it has RMPOPT that its kernel does not show, so only simulated hosts.",
            { try $0.remove("sys/kernel/debug") }
        ),
        (
            "This machine can mount; it has SNP without RMPOPT, so only simulated hosts.",
            {
                try $0.remove("sys/kernel/debug")
                try $0.setLeaf(0x8000_0025, [34 << 6 | 30, 1, 1, 0xFFFE])
            }
        ),
        (
            "This machine can mount; it has no SNP, so only simulated hosts.",
            {
                try $0.remove("sys/kernel/debug")
                try $0.setLeaf(0x8000_001F, [1 << 3 | 1 << 5, 0, 0, 0])
            }
        ),
        (
            "This machine can mount; whether it has SNP cannot be told, so only simulated hosts.",
            {
                try $0.remove("sys/kernel/debug")
                try $0.remove("dev/cpu/0/cpuid")
            }
        ),
        (
            "This machine cannot mount (fuse-device, open-files); its kernel has RMPOPT, so simulated hosts and "
                + "--engine kernel.",
            {
                try $0.remove("dev/fuse")
                try $0.write("proc/self/limits", "Max open files            8      4096     files\n")
            }
        ),
        (
            // A lack of what simulated hosts do not need does not prevent mounting them.
            "This machine can mount; its kernel has RMPOPT, so simulated hosts and --engine kernel.",
            { try $0.remove("dev/cpu/0/msr") }
        ),
    ]

    @Test(arguments: verdicts.indices) func theVerdict(_ number: Int) throws {
        let tree = try HostTree()
        try Self.verdicts[number].change(tree)
        let diagnosis = tree.diagnose()
        let screen = Screen(columns: 80, rows: nil, hasColours: false)
        #expect(diagnosis.verdict == Self.verdicts[number].verdict)
        #expect(diagnosis.text(on: screen, all: false).hasPrefix(diagnosis.verdict + "\n\n"))
        // Checks that do not apply are shown on demand, and always counted.
        let shown = diagnosis.text(on: screen, all: true)
        let lines = shown.split(separator: "\n").filter { $0.hasPrefix("[ N/A ") }
        #expect(lines.count == diagnosis.count(.notApplicable))
        #expect(!diagnosis.text(on: screen, all: false).contains("[ N/A "))
        #expect(diagnosis.text(on: screen, all: false).contains("\(lines.count) not applicable\n"))
    }

    @Test func aHostThatHasEverythingHasNoFailure() throws {
        let diagnosis = try HostTree().diagnose()
        #expect(
            !diagnosis.hasFailures,
            "\(diagnosis.text(on: Screen(columns: 80, rows: nil, hasColours: false), all: true))"
        )
        #expect(diagnosis.count(.skip) == 0)
        #expect(diagnosis.count(.notApplicable) == 0)
        #expect(diagnosis.count(.pass) == Check.all.count)
    }

    @Test func everyCheckCanBeMissed() {
        let tested = Set(Self.cases.map(\.check))
        // No tree can tell which libfuse is loaded; the machine is not part of the tree, and has its own test.
        #expect(Set(Check.all.map(\.name)).subtracting(tested) == ["libfuse", "machine-file"])
    }

    /// The obstacles that no tree of files can put up, by the errors that the kernel gives.
    @Test func whatKeepsMemoryFromBeingRead() throws {
        let tree = try HostTree()
        let host = Host(sysroot: tree.root.path)
        func message(_ error: Errno, at address: UInt64? = nil) -> String {
            RMPObstacle.memory(error, at: address, on: host).message
        }
        #expect(message(.accessDenied) == "/dev/mem is closed to this user")
        #expect(message(.notPermitted) == "/dev/mem needs CAP_SYS_RAWIO")
        #expect(message(.notPermitted, at: 0x870_0000).contains("closed at 0x8700000 (STRICT_DEVMEM)"))
        try tree.write("sys/kernel/security/lockdown", "[none] integrity confidentiality\n")
        #expect(message(.notPermitted) == "/dev/mem needs CAP_SYS_RAWIO")
        try tree.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
        #expect(message(.notPermitted) == "the kernel is locked down (integrity), which closes /dev/mem")
        let msr = RMPObstacle.register("SYSCFG", .ioError, on: host)
        #expect(msr.message == "/dev/cpu/0/msr: Input/output error at SYSCFG")
        #expect(RMPObstacle.register("SYSCFG", .notPermitted, on: host).message == "/dev/cpu/0/msr needs CAP_SYS_RAWIO")
    }

    @Test func whatFollowsFromAFailureIsSkipped() throws {
        let tree = try HostTree()
        try tree.remove("dev/cpu/0/msr")
        let statuses = Dictionary(uniqueKeysWithValues: tree.diagnose().results.map { ($0.check.name, $0.status) })
        for name in ["snp-enabled", "rmp-table", "rmp-memory", "rmp-segmented", "rmpopt-base"] {
            #expect(statuses[name] == .skip)
        }
        #expect(statuses["rmpopt"] == .pass)
    }

    @Test func whatFollowsFromWhatDoesNotApplyDoesNotApply() throws {
        let tree = try HostTree()
        try tree.setLeaf(0x8000_001F, [0, 0, 0, 0])
        let diagnosis = tree.diagnose()
        let statuses = Dictionary(uniqueKeysWithValues: diagnosis.results.map { ($0.check.name, $0.status) })
        for name in ["snp", "rmpopt", "msr-device", "rmpopt-base"] { #expect(statuses[name] == .notApplicable) }
        #expect(!diagnosis.hasFailures)
    }

    @Test func aTreeWithNothingInItFailsWithoutATrap() {
        let diagnosis = Diagnosis(of: Host(sysroot: "/nowhere", mountPoint: "/x"))
        #expect(diagnosis.hasFailures)
        #expect(diagnosis.results.count == Check.all.count)
    }

    @Test func namesAreUniqueAndNeedsStandBefore() {
        var seen: Set<String> = []
        for check in Check.all {
            #expect(!seen.contains(check.name))
            if let needs = check.needs { #expect(seen.contains(needs), "\(check.name)") }
            #expect(!check.hint.isEmpty && !check.description.isEmpty)
            seen.insert(check.name)
        }
    }

    @Test(arguments: Check.all.map(\.name)) func theTroubleshootingPageHasASection(check: String) throws {
        let page = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../docs/troubleshooting.md")
        let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n")
        #expect(lines.contains("### \(check)"))
    }

    @Test func jsonHoldsTheSameAsTheText() throws {
        let tree = try HostTree()
        try tree.remove("dev/cpu/0/msr")
        let diagnosis = tree.diagnose()
        let object = try JSONSerialization.jsonObject(with: Data(diagnosis.json.text.utf8)) as? [String: Any]
        let top = try #require(object)
        #expect(Set(top.keys) == ["version", "verdict", "rmpfs", "tests", "failures", "skipped", "summary"])
        let tests = try #require(top["tests"] as? [[String: Any]])
        #expect(tests.map { $0["name"] as? String } == Check.all.map(\.name))
        #expect(Set(tests.flatMap(\.keys)) == ["name", "status", "category", "description", "message", "fix_hint"])
        let failures = try #require(top["failures"] as? [[String: String]])
        #expect(failures == [["name": "msr-device", "hint": "As root: modprobe msr."]])
        #expect(
            top["skipped"] as? [String] == ["snp-enabled", "rmp-table", "rmp-memory", "rmp-segmented", "rmpopt-base"]
        )
        let summary = try #require(top["summary"] as? [String: Int])
        #expect(summary["total"] == Check.all.count)
        #expect(summary["failed"] == 1 && summary["skipped"] == 5)
        #expect(summary["passed"] == Check.all.count - 6)
    }

    @Test func theMachineThatWasNamed() throws {
        let tree = try HostTree()
        try tree.write("wrong.yaml", "cpus: {cores_per_package: 2}\nmemory: 1X\n")
        let last = { (machine: String?) in tree.diagnose(machine: machine).results.last }
        #expect(last(HostTree.shippedMachine)?.message == "laptop: 8 CPUs")
        #expect(last(nil)?.status == .notApplicable)
        #expect(last("no-such-machine")?.status == .fail)
        let wrong = try #require(last(tree.root.appending(path: "wrong.yaml").path))
        #expect(wrong.status == .fail && wrong.check.name == "machine-file")
        #expect(wrong.message.contains("wrong.yaml:2: memory"), "\(wrong.message)")
    }

    @Test func colourStandsOnlyOnTerminals() throws {
        let diagnosis = try HostTree().diagnose()
        #expect(!diagnosis.text(on: Screen(columns: 80, rows: nil, hasColours: false), all: true).contains("\u{1B}"))
        #expect(
            diagnosis.text(on: Screen(columns: 80, rows: nil, hasColours: true), all: true).contains("\u{1B}[32mPASS")
        )
    }
}

// SPDX-License-Identifier: Apache-2.0
// A tree of files that represents an SNP host with RMPOPT, for `rmpfs doctor --sysroot`.

import Foundation
import Glibc

@testable import RMPCommand

/// The tree; removed after the test.
final class HostTree {
    let root: URL

    /// Two CPUs, SNP enabled, a segmented RMP, RMPOPT on, series v8's table; everything passes or does not apply.
    init() throws {
        root = FileManager.default.temporaryDirectory.appending(path: "rmpfs-host-\(UUID().uuidString)")
        try write("proc/sys/kernel/ostype", "Linux\n")
        try write("proc/sys/kernel/arch", "x86_64\n")
        try write("proc/sys/kernel/osrelease", "6.18.0-rc1\n")
        try write("proc/filesystems", "nodev\tproc\nnodev\tfuse\nnodev\tconfigfs\nnodev\tdebugfs\n")
        try write("proc/self/status", "Name:\trmpfs\nUid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n")
        try write("proc/self/limits", "Max processes             1024      1024     processes\n")
        try append("proc/self/limits", "Max open files            1024      4096     files\n")
        try write(
            "proc/self/mountinfo",
            """
            30 1 0:20 / /sys/kernel/debug rw - debugfs debugfs rw
            31 1 0:21 / /sys/kernel/config rw - configfs configfs rw
            32 1 0:44 / /mnt/used rw - fuse.rmpfs rmpfs rw,user_id=0

            """
        )
        try write("proc/meminfo", "MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n")
        try write("proc/kallsyms", "0000000000000000 T snp_enable_rmpopt\n")
        try write("dev/fuse", "")
        try write("usr/bin/fusermount3", "")
        chmod(root.appending(path: "usr/bin/fusermount3").path, 0o4755)
        try write("etc/fuse.conf", "# who may\nuser_allow_other # everybody\n")
        try write("sys/kernel/debug/x86/rmpopt/rmpopt-table", "Memory @  0GB: CPU(s): none\n")
        for folder in ["mnt/free", "mnt/used"] {
            try FileManager.default.createDirectory(at: root.appending(path: folder), withIntermediateDirectories: true)
        }
        try write("mnt/full/file", "")
        try setLeaf(0, [0x10, 0x6874_7541, 0x444D_4163, 0x6974_6E65])
        try setLeaf(1, [0, 0, 0, 0])
        try setLeaf(0x8000_0000, [0x8000_0028, 0, 0, 0])
        try setLeaf(0x8000_001F, [1 << 4 | 1 << 23, 0, 0, 0])
        try setLeaf(0x8000_0025, [34 << 6 | 30, 0, 0, 1])
        for cpu in 0..<2 {
            try setRegister(0xC001_0010, cpu: cpu, 1 << 24)
            try setRegister(0xC001_0132, cpu: cpu, 0x1_0000_0000)
            try setRegister(0xC001_0133, cpu: cpu, 0)
            try setRegister(0xC001_0136, cpu: cpu, 34 << 8 | 1)
            try setRegister(0xC001_0139, cpu: cpu, 1)
        }
        // What lies at RMP_BASE.
        try setMemory(0x1_0000_0000, 0)
    }

    deinit { try? FileManager.default.removeItem(at: root) }

    func write(_ path: String, _ text: String) throws {
        let file = root.appending(path: path)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(),
            withIntermediateDirectories: true
        )
        try text.write(to: file, atomically: false, encoding: .utf8)
    }

    private func append(_ path: String, _ text: String) throws {
        let earlier = try String(contentsOf: root.appending(path: path), encoding: .utf8)
        try write(path, earlier + text)
    }

    func remove(_ path: String) throws { try FileManager.default.removeItem(at: root.appending(path: path)) }

    /// CPUID's registers in the order EAX, EBX, ECX, EDX; 16 bytes at 16 times the leaf.
    func setLeaf(_ leaf: UInt32, _ registers: [UInt32]) throws {
        try record("dev/cpu/0/cpuid", Int(leaf) * 16, registers.withUnsafeBytes { Data($0) })
    }

    /// 8 bytes at 8 times the register's number.
    func setRegister(_ number: UInt32, cpu: Int, _ value: UInt64) throws {
        try record("dev/cpu/\(cpu)/msr", Int(number) * 8, withUnsafeBytes(of: value) { Data($0) })
    }

    /// 8 bytes of memory.
    func setMemory(_ address: Int, _ value: UInt64) throws {
        try record("dev/mem", address, withUnsafeBytes(of: value) { Data($0) })
    }

    private func record(_ path: String, _ offset: Int, _ bytes: Data) throws {
        let file = root.appending(path: path)
        if !FileManager.default.fileExists(atPath: file.path) { try write(path, "") }
        let handle = try FileHandle(forWritingTo: file)
        defer { try? handle.close() }
        try handle.seek(toOffset: UInt64(offset))
        try handle.write(contentsOf: bytes)
    }

    /// Doctor's diagnosis of the tree.
    func diagnose(mountPoint: String? = "/mnt/free", machine: String? = shippedMachine) -> Diagnosis {
        Diagnosis(of: Host(sysroot: root.path, mountPoint: mountPoint, machine: machine))
    }

    static let shippedMachine = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../Machines/laptop.yaml").path
}

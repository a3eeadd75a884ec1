// SPDX-License-Identifier: Apache-2.0
// The machine under diagnosis: the running one, or a tree of files that stands in for one.

import CProcessor
import Glibc
import RMPFS

/// A machine seen through its files.
struct Host: Sendable {
    /// The folder that stands for `/`; empty: the running system.
    let root: String
    /// The mount point to check.
    let mountPoint: String?
    /// The machine to check: a file of the running system, or a name.
    let machine: String?

    /// - Parameter sysroot: a folder that stands for `/`; nil: the running system.
    init(sysroot: String? = nil, mountPoint: String? = nil, machine: String? = nil) {
        var root = sysroot ?? ""
        while root.utf8.last == UInt8(ascii: "/") { root.removeLast() }
        self.root = sysroot == "/" ? "" : root
        self.mountPoint = mountPoint
        self.machine = machine
    }

    /// Whether this is the running system.
    var isLive: Bool { root.isEmpty }

    /// Where a file of the machine is.
    func path(_ path: String) -> String { root + path }

    // MARK: Files

    /// The text of a small file without blanks at its ends; nil if it cannot be read.
    func text(_ path: String) -> String? {
        if isFIFO(path) { return nil }
        return SystemFiles.contents(of: self.path(path)).map { bytes in
            let blanks: Set<UInt8> = [0x20, 0x09, 0x0A]
            let front = bytes.drop { blanks.contains($0) }
            let end = front.lastIndex { !blanks.contains($0) }.map { $0 + 1 } ?? front.startIndex
            return String(decoding: front[..<end], as: UTF8.self)
        }
    }

    /// The lines of a file; nil if it cannot be read.
    func lines(_ path: String) -> [Substring]? {
        text(path)?.split(separator: "\n")
    }

    /// The value behind `NAME:` in a file such as /proc/self/status.
    func field(_ name: String, in path: String) -> [Substring]? {
        lines(path)?.first { $0.hasPrefix(name + ":") }?.dropFirst(name.count + 1).split { " \t".contains($0) }
    }

    /// Whether opening it would wait for a writer: in a tree anything can lie anywhere.
    private func isFIFO(_ path: String) -> Bool {
        var status = stat()
        return !isLive && stat(self.path(path).systemName, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
    }

    /// A descriptor, or -1 and errno; does not wait for the writer of a FIFO.
    func openForReading(_ path: String) -> Int32 {
        open(self.path(path).systemName, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    }

    func exists(_ path: String) -> Bool { access(self.path(path).systemName, F_OK) == 0 }

    func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(self.path(path).systemName, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The user who counts as root in the machine's files: the owner of its root folder.
    var rootOwner: UInt32 {
        var status = stat()
        return stat(path("/").systemName, &status) == 0 ? status.st_uid : 0
    }

    /// The error of opening a file for reading and writing; nil if it succeeds.
    func errorOpening(_ path: String, _ flags: Int32 = O_RDWR) -> Errno? {
        let descriptor = open(self.path(path).systemName, flags | O_CLOEXEC)
        if descriptor < 0 { return .current }
        close(descriptor)
        return nil
    }

    // MARK: The process

    /// The effective user: 0 is root.
    var user: UInt32 { (field("Uid", in: "/proc/self/status")?.dropFirst().first).flatMap { UInt32($0) } ?? geteuid() }

    /// Whether this process may mount by itself: CAP_SYS_ADMIN, capability number 21.
    var mayMount: Bool {
        guard let text = field("CapEff", in: "/proc/self/status")?.first, let bits = UInt64(text, radix: 16) else {
            return user == 0
        }
        return bits >> 21 & 1 == 1
    }

    /// A soft limit of /proc/self/limits, such as `Max open files`; nil: unlimited or unknown.
    func limit(_ name: String) -> UInt64? {
        lines("/proc/self/limits")?.first { $0.hasPrefix(name + " ") }?.dropFirst(name.count)
            .split(separator: " ").first.flatMap { UInt64($0) }
    }

    // MARK: The processor

    /// The four registers of a CPUID leaf.
    struct Leaf: Sendable, Equatable {
        var eax: UInt32 = 0
        var ebx: UInt32 = 0
        var ecx: UInt32 = 0
        var edx: UInt32 = 0
    }

    /// A leaf of CPUID: by the instruction on the running system, else from `dev/cpu/0/cpuid`.
    /// - Returns: nil if the processor does not have the leaf.
    func leaf(_ number: UInt32) -> Leaf? {
        let highest = number & 0x8000_0000
        guard let limit = registers(highest)?.eax, limit >= number, limit & 0x8000_0000 == highest else { return nil }
        return registers(number)
    }

    private func registers(_ leaf: UInt32) -> Leaf? {
        if isLive {
            let found = rmpfs_cpuid(leaf)
            return Leaf(eax: found.eax, ebx: found.ebx, ecx: found.ecx, edx: found.edx)
        }
        guard case .success(let words) = record("/dev/cpu/0/cpuid", leaf, as: [UInt32](repeating: 0, count: 4)) else {
            return nil
        }
        return Leaf(eax: words[0], ebx: words[1], ecx: words[2], edx: words[3])
    }

    /// The numbers of the CPUs that have a folder in /dev/cpu, in order.
    var cpus: [Int] { (SystemFiles.names(in: path("/dev/cpu")) ?? []).compactMap { Int($0) }.sorted() }

    /// A model-specific register of one CPU, as msr(4) gives it.
    func register(_ number: UInt32, cpu: Int = 0) -> Result<UInt64, Errno> {
        record("/dev/cpu/\(cpu)/msr", number, as: [UInt64](repeating: 0, count: 1)).map { $0[0] }
    }

    /// Reads record `number`. In a device the offset is the number itself; in a plain file, where records cannot
    /// overlap, it is the number times the record's size.
    private func record<Word>(_ file: String, _ number: UInt32, as empty: [Word]) -> Result<[Word], Errno> {
        let descriptor = openForReading(file)
        guard descriptor >= 0 else { return .failure(.current) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return .failure(.current) }
        var words = empty
        let size = MemoryLayout<Word>.stride * words.count
        let offset = Int(number) * (status.st_mode & S_IFMT == S_IFCHR ? 1 : size)
        let count = words.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, size, offset) }
        if count < 0 { return .failure(.current) }
        return count == size ? .success(words) : .failure(.ioError)
    }
}

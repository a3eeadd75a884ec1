// SPDX-License-Identifier: Apache-2.0
// Checks a mount point before libfuse sees it, so that each thing that can be wrong has its own message, and clears
// away a dead mount of ours.

import Glibc
import Synchronization

/// A folder that a tree can be mounted on.
public struct MountPoint: Sendable, Hashable {
    /// The absolute path, without links.
    public let path: String

    /// Resolves a path, also when what is mounted there does not answer any more.
    public static func resolve(_ path: String) -> String? {
        if let whole = canonical(path) { return whole }
        // A dead mount cannot be resolved itself, but the folder above it can.
        guard errno == ENOTCONN else { return nil }
        // By bytes: a character of Swift may be a slash and what combines with it.
        let slash = UInt8(ascii: "/")
        var bytes = path.systemBytes
        while bytes.count > 1 && bytes.last == slash { bytes.removeLast() }
        let name = bytes[(bytes.lastIndex(of: slash).map { $0 + 1 } ?? 0)...]
        if name.isEmpty { return nil }
        let parent = String(systemBytes: bytes.dropLast(name.count))
        guard let above = canonical(parent.isEmpty ? "." : parent) else { return nil }
        return (above == "/" ? "" : above) + "/" + String(systemBytes: name)
    }

    private static func canonical(_ path: String) -> String? {
        guard let resolved = realpath(path.systemName, nil) else { return nil }
        defer { free(resolved) }
        return String(systemName: resolved)
    }

    /// Checks the folder; a dead rmpfs mount on it is unmounted.
    /// - Parameter recovered: called with a line to tell the user when a dead mount was cleared away.
    public init(_ given: String, options: MountOptions, recovered: (String) -> Void = { _ in }) throws(MountError) {
        guard let path = Self.resolve(given) else {
            let error = Errno.current
            throw error == .noSuchFile ? .missing(path: given) : .noPermission(path: given, error)
        }
        self.path = path
        try Self.checkHelp(options)
        try clearDeadMounts(recovered)
        try checkFolder(options)
    }

    /// Looks whether the device is there for this user, and for users that the helper is.
    private static func checkHelp(_ options: MountOptions) throws(MountError) {
        try checkDevice()
        if geteuid() == 0 { return }
        if !Helper.isInstalled { throw .noHelper }
        if options.allowOther == true && !Helper.allowsOther { throw .allowOtherForbidden }
    }

    /// Opens the device as libfuse will: access(2) does not see what a container's device rules or `nodev` forbid.
    private static func checkDevice() throws(MountError) {
        var status = stat()
        guard stat("/dev/fuse", &status) == 0 else { throw .noDevice(.current) }
        // Misc device 229, major 10 (Documentation/admin-guide/devices.txt).
        guard status.st_mode & S_IFMT == S_IFCHR && status.st_rdev == 10 << 8 | 229 else { throw .otherDevice }
        let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        if device < 0 { throw .noDevice(.current) }
        close(device)
    }

    private func clearDeadMounts(_ recovered: (String) -> Void) throws(MountError) {
        // Dead mounts may lie on one another; each turn takes one away.
        for _ in 0..<16 {
            guard let answer = Self.ask(path) else { throw .notAnswering(path: path) }
            if answer != ENOTCONN { return }
            let type = MountTable.entry(at: path)?.type ?? "unknown"
            guard type == MountTableEntry.ownType else { throw .deadForeignMount(path: path, type: type) }
            do {
                try Unmount.detach(path)
            } catch {
                throw .notRecovered(path: path, reason: error.description)
            }
            recovered("\(path): cleared away the mount of an rmpfs that died")
        }
    }

    /// Asks whoever serves `path`: 0 or an errno, or nil if there was no answer within some seconds.
    ///
    /// By statvfs(3): attributes may come from the kernel's memory when the server is long dead. On a thread of its
    /// own: a server that was stopped never answers.
    public static func ask(_ path: String) -> Int32? {
        let question = Question(path)
        var thread = pthread_t()
        let reference = Unmanaged.passRetained(question)
        guard pthread_create(&thread, nil, askServer, reference.toOpaque()) == 0 else {
            reference.release()
            return 0
        }
        pthread_detach(thread)
        return question.answer(within: 5)
    }

    private func checkFolder(_ options: MountOptions) throws(MountError) {
        if MountTable.entry(at: path)?.isOurs == true { throw .alreadyMounted(path: path) }
        var status = stat()
        guard stat(path.systemName, &status) == 0 else { throw .noPermission(path: path, .current) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .notDirectory(path: path) }
        // mount(2) asks root for nothing, so a read-only file system is fine.
        guard geteuid() == 0 || access(path.systemName, W_OK | X_OK) == 0 else { throw .noPermission(path: path, .current) }
        guard let names = SystemFiles.names(in: path, limit: 1) else { throw .noPermission(path: path, .current) }
        guard names.isEmpty || options.nonEmpty else { throw .notEmpty(path: path) }
    }
}

/// A question to the server of a path, and its answer.
private final class Question: Sendable {
    private let path: String
    private let result = Atomic<Int32>(0)
    private let done = Semaphore()

    init(_ path: String) {
        self.path = path
    }

    func ask() {
        var status = statvfs()
        result.store(statvfs(path.systemName, &status) == 0 ? 0 : errno, ordering: .releasing)
        done.signal()
    }

    /// The answer; nil if it does not come in time.
    func answer(within seconds: Int) -> Int32? {
        done.wait(seconds: seconds) ? result.load(ordering: .acquiring) : nil
    }
}

private func askServer(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<Question>.fromOpaque(argument).takeRetainedValue().ask()
    return nil
}

/// fusermount3, which mounts and unmounts for users who are not root.
enum Helper {
    private static let places = ["/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3"]

    /// Where it is; nil if it is nowhere.
    static var path: String? { places.first { access($0, X_OK) == 0 } }

    /// Whether it is there and can help: setuid root.
    static var isInstalled: Bool {
        guard let path else { return false }
        var status = stat()
        return stat(path, &status) == 0 && status.st_uid == 0 && status.st_mode & S_ISUID != 0
    }

    /// Whether /etc/fuse.conf lets users ask for allow_other.
    static var allowsOther: Bool {
        guard let bytes = SystemFiles.contents(of: "/etc/fuse.conf") else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains { line in
            line.split(separator: "#", omittingEmptySubsequences: false)[0]
                .split(whereSeparator: \.isWhitespace) == ["user_allow_other"]
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Checks a mount point before libfuse sees it, so that each possible problem has its own message, and clears away a
// dead mount of ours.

import Glibc

/// A folder that a tree can be mounted on.
public struct MountPoint: Sendable {
    /// The absolute path, without links, at the time of the check.
    public let path: String
    private let held: HeldPlace

    /// The folder that was checked, for mounting on it. Can be taken once: while anybody holds it, no automounter finds
    /// the mount idle.
    func takePlace() -> Place? { held.place.withLock { $0.take() } }

    /// Resolves a path, even if what is mounted there no longer answers.
    public static func resolve(_ path: String) -> String? { (try? find(path))?.path }

    /// Finds a folder, even if what is mounted there no longer answers.
    static func find(_ given: String) throws(MountError) -> Place {
        do {
            return try Place.find(given)
        } catch {
            switch error {
            case .link(let name, let owner): throw .linkOfOther(path: given, link: name, user: owner)
            case .error(.noSuchFile): throw .missing(path: given)
            case .error(let number):
                // A path such as `.` in a dead mount.
                if number == .notConnected, let path = canonical(given), let place = try? Place.find(path) {
                    return place
                }
                throw .noPermission(path: given, number)
            }
        }
    }

    private static func canonical(_ path: String) -> String? {
        guard let resolved = realpath(path.systemName, nil) else { return nil }
        defer { free(resolved) }
        return String(systemName: resolved)
    }

    /// Checks the folder; a dead rmpfs mount on it is unmounted.
    /// - Parameter recovered: called with a message for the user when a dead mount was cleared away.
    public init(_ given: String, options: MountOptions, recovered: (String) -> Void = { _ in }) throws(MountError) {
        var place = try Self.find(given)
        try Self.checkHelp(options)
        // Dead mounts may be stacked; each turn removes one.
        for _ in 0..<16 where try Self.clearDeadMount(place, recovered) { place = try Self.find(given) }
        guard let path = place.path else { throw .noPermission(path: given, .current) }
        self.path = path
        held = HeldPlace(place)
        try Self.checkFolder(place, path, options)
    }

    /// Checks that this user can use the device and, for users other than root, that the helper exists.
    private static func checkHelp(_ options: MountOptions) throws(MountError) {
        try checkDevice()
        if geteuid() == 0 { return }
        if !Helper.isInstalled { throw .noHelper }
        if options.allowOther == true && !Helper.allowsOther { throw .allowOtherForbidden }
    }

    /// Opens the device as libfuse will: access(2) misses a container's device rules and `nodev`.
    private static func checkDevice() throws(MountError) {
        var status = stat()
        guard stat("/dev/fuse", &status) == 0 else { throw .noDevice(.current) }
        // Misc device 229, major 10 (Documentation/admin-guide/devices.txt).
        guard status.st_mode & S_IFMT == S_IFCHR && status.st_rdev == 10 << 8 | 229 else { throw .otherDevice }
        let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        if device < 0 { throw .noDevice(.current) }
        close(device)
    }

    /// Unmounts the mount whose root this is, if it is a dead one of ours.
    private static func clearDeadMount(_ place: Place, _ recovered: (String) -> Void) throws(MountError) -> Bool {
        let path = place.path ?? place.link
        guard let answer = ask(place.link) else { throw .notAnswering(path: path) }
        if answer != ENOTCONN { return false }
        let entry = place.mountedHere
        guard let entry, entry.isOurs else { throw .deadForeignMount(path: path, type: entry?.type ?? "unknown") }
        // Whatever is mounted below would be detached with it.
        if let below = MountTable.mounts(on: entry).last {
            throw .mountedBelow(path: path, other: below.mountPoint, type: below.type)
        }
        do {
            try Unmount.detach(place)
        } catch {
            throw .notRecovered(path: path, reason: error.description)
        }
        recovered("\(path): cleared away the mount of an rmpfs that died")
        return true
    }

    /// Asks the server of `path`: 0 or an errno, or nil if there was no answer within a few seconds.
    ///
    /// Uses statvfs(3): the kernel may answer from cached attributes when the server is long dead. Uses a thread of its
    /// own: a stopped server never answers.
    public static func ask(_ path: String) -> Int32? {
        Question {
            var status = statvfs()
            return statvfs(path.systemName, &status) == 0 ? 0 : errno
        }
        .answer(within: 5)
    }

    private static func checkFolder(_ place: Place, _ path: String, _ options: MountOptions) throws(MountError) {
        if place.mountedHere?.isOurs == true { throw .alreadyMounted(path: path) }
        guard let status = place.status else { throw .noPermission(path: path, .current) }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw .notDirectory(path: path) }
        if status.st_nlink == 0 { throw .missing(path: path) }
        // mount(2) does not check permissions for root, so a read-only file system is fine.
        guard geteuid() == 0 || access(place.link, W_OK | X_OK) == 0 else { throw .noPermission(path: path, .current) }
        guard let names = SystemFiles.names(in: place.link, limit: 1) else {
            throw .noPermission(path: path, .current)
        }
        guard names.isEmpty || options.nonEmpty else { throw .notEmpty(path: path) }
    }
}

extension MountPoint {
    /// A folder in a private namespace, where there is nothing of anybody else to protect.
    init(ownNamespace path: String) throws(MountError) {
        if access("/dev/fuse", R_OK | W_OK) != 0 { throw .noDevice(.current) }
        self.path = path
        held = HeldPlace(nil)
    }
}

/// A place that can be released, however many copies of its owner exist.
private final class HeldPlace: Sendable {
    let place: Lock<Place?>

    init(_ place: Place?) {
        self.place = Lock(place)
    }
}

/// fusermount3, which mounts and unmounts for users who are not root.
enum Helper {
    private static let places = ["/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3"]

    /// Its path; nil if it is not installed.
    static var path: String? { places.first { access($0, X_OK) == 0 } }

    /// Whether it exists and can help: setuid root.
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

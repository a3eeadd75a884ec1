// SPDX-License-Identifier: Apache-2.0
// A folder held by a descriptor. A path leads to another folder as soon as someone exchanges part of it; a place
// remains the folder that was found and checked, and that is the one to mount on or unmount.

import Glibc

/// A folder or the root of a mount, held without opening it: its server gets no request.
final class Place: Sendable {
    private let descriptor: Int32

    private init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// Why a path was not followed.
    enum Refusal: Error {
        case error(Errno)
        /// A symbolic link of another user, who can point it anywhere.
        case link(String, owner: UInt32)
    }

    /// The kernel follows as many links (MAXSYMLINKS, Linux v6.18, include/linux/namei.h).
    private static let mostLinks = 40

    /// Follows a path to its end. Root does not follow links of other users.
    static func find(_ path: String) throws(Refusal) -> Place {
        var bytes = path.systemBytes[...]
        guard !bytes.isEmpty else { throw .error(.noSuchFile) }
        let slash = UInt8(ascii: "/")
        var place = try open(nil, bytes.first == slash ? "/" : ".")
        var links = 0
        while true {
            bytes = bytes.drop { $0 == slash }
            if bytes.isEmpty { return place }
            let name = bytes.prefix { $0 != slash }
            let rest = bytes.dropFirst(name.count)
            let isLast = rest.allSatisfy { $0 == slash }
            if Array(name) == [UInt8(ascii: ".")] { bytes = rest; continue }
            let text = String(systemBytes: name)
            // Triggers an automount if the path continues below it.
            let folder = isLast ? nil : try? open(place, text, O_DIRECTORY)
            let found: Place
            if let folder { found = folder } else { found = try open(place, text) }
            guard let target = found.target else { place = found; bytes = rest; continue }
            try found.checkOwner(text)
            links += 1
            if links > mostLinks { throw .error(Errno(rawValue: ELOOP)) }
            if target.first == slash { place = try open(nil, "/") }
            bytes = (target + rest)[...]
        }
    }

    /// The entry of this name in here, which may be a link.
    func child(_ name: String) -> Place? { try? Self.open(self, name) }

    private static func open(_ folder: Place?, _ name: String, _ flags: Int32 = 0) throws(Refusal) -> Place {
        let number = openat(
            folder?.descriptor ?? AT_FDCWD,
            name.systemName,
            O_PATH | O_NOFOLLOW | O_CLOEXEC | flags
        )
        if number < 0 { throw .error(.current) }
        return Place(number)
    }

    /// O_PATH, which <fcntl.h> defines only with _GNU_SOURCE.
    private static let O_PATH: Int32 = 0o10000000

    /// The target of a link; nil if this is not a link.
    private var target: [UInt8]? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlinkat(descriptor, "", &buffer, buffer.count)
        return count < 0 ? nil : buffer.prefix(count).map { UInt8(bitPattern: $0) }
    }

    private func checkOwner(_ name: String) throws(Refusal) {
        guard geteuid() == 0, let owner = status?.st_uid else { return }
        // In a user namespace, all users without an id there appear as one, including root outside, who may own links.
        if owner == 0 || owner == getuid() || Self.isInUserNamespace { return }
        throw .link(name, owner: owner)
    }

    private static var isInUserNamespace: Bool {
        let words = SystemFiles.contents(of: "/proc/self/uid_map")?.split(separator: UInt8(ascii: " ")) ?? []
        return words.count > 2 && String(decoding: words[2].prefix { $0 != 0x0A }, as: UTF8.self) != "4294967295"
    }

    /// A path that leads here, for calls that take no descriptor.
    var link: String { "/proc/self/fd/\(descriptor)" }

    /// Its present path, without links.
    var path: String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &buffer, buffer.count)
        return count < 0 ? nil : String(systemBytes: buffer.prefix(count).map { UInt8(bitPattern: $0) })
    }

    /// stat(2) data, from the server of the place.
    var status: stat? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status : nil
    }

    /// The number of the mount that contains it, or whose root it is; see ``MountTableEntry/id``.
    var mount: Int? {
        guard let text = SystemFiles.contents(of: "/proc/self/fdinfo/\(descriptor)") else { return nil }
        let line = String(decoding: text, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("mnt_id:") }
        return line?.split(separator: "\t").last.flatMap { Int($0) }
    }

    /// The mount whose root this is; nil if it is not a root.
    var mountedHere: MountTableEntry? {
        guard let number = mount, let path else { return nil }
        return MountTable.entries().last { $0.id == number && $0.mountPoint.utf8.elementsEqual(path.utf8) }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Lists what is mounted where, from /proc/self/mountinfo.

/// One mount as the kernel lists it.
public struct MountTableEntry: Sendable, Hashable {
    /// The number of the mount.
    public let id: Int
    /// The number of the parent mount.
    public let parent: Int
    /// The mount point, an absolute path.
    public let mountPoint: String
    /// The number of the file system, `major:minor`, which is unique.
    public let device: String
    /// The source of the mount: for rmpfs, a name.
    public let source: String
    /// The file system's type, such as `fuse.rmpfs`.
    public let type: String
    /// The user who mounted it, for FUSE mounts.
    public let user: UInt32?

    /// The type of every rmpfs mount.
    public static let ownType = "fuse.rmpfs"

    /// Whether this is a mount of rmpfs.
    public var isOurs: Bool { type == Self.ownType }
}

/// The mounts that this process sees.
public enum MountTable {
    /// The topmost mount at `path`, which must be absolute and without links; nil if `path` is not a mount point.
    public static func entry(at path: String) -> MountTableEntry? {
        entries().last { $0.mountPoint.utf8.elementsEqual(path.utf8) }
    }

    /// The mounts of rmpfs that are not covered, in the order in which they were made.
    /// - Parameter folder: only mounts in and below this folder; nil: all.
    public static func ours(under folder: String?) throws(MountError) -> [MountTableEntry] {
        let entries = entries()
        var start: [UInt8]?
        if let folder {
            guard let path = try MountPoint.find(folder).path else { throw .noPermission(path: folder, .current) }
            start = path.systemBytes
        }
        return entries.filter { entry in
            let path = entry.mountPoint.systemBytes
            let isTop = entries.last { $0.mountPoint.utf8.elementsEqual(entry.mountPoint.utf8) }?.id == entry.id
            guard entry.isOurs, isTop else { return false }
            guard let start, start != [UInt8(ascii: "/")] else { return true }
            return path == start || path.starts(with: start + [UInt8(ascii: "/")])
        }
    }

    /// The mounts anywhere below a mount, or directly on it.
    static func mounts(on mount: MountTableEntry) -> [MountTableEntry] {
        entries().filter { $0.parent == mount.id && $0.id != mount.id }
    }

    /// All mounts; those that cover others come after them.
    public static func entries() -> [MountTableEntry] {
        SystemFiles.contents(of: "/proc/self/mountinfo").map(entries(in:)) ?? []
    }

    /// The mounts listed in a text in the format of /proc/self/mountinfo; malformed lines are skipped.
    public static func entries(in text: [UInt8]) -> [MountTableEntry] {
        text.split(separator: UInt8(ascii: "\n")).compactMap(parse)
    }

    /// One line: `id parent major:minor root mountpoint options [tags...] - type source options`.
    static func parse(_ line: ArraySlice<UInt8>) -> MountTableEntry? {
        let fields = line.split(separator: UInt8(ascii: " "))
        guard fields.count > 6, let dash = fields.dropFirst(6).firstIndex(where: { $0.elementsEqual("-".utf8) }),
            dash + 1 < fields.count, let id = Int(String(decoding: fields[0], as: UTF8.self)),
            let parent = Int(String(decoding: fields[1], as: UTF8.self))
        else { return nil }
        let options = String(decoding: fields[fields.endIndex - 1], as: UTF8.self).split(separator: ",")
        let user = options.first { $0.hasPrefix("user_id=") }.flatMap { UInt32($0.dropFirst("user_id=".count)) }
        return MountTableEntry(
            id: id,
            parent: parent,
            mountPoint: unescape(fields[4]),
            device: String(decoding: fields[2], as: UTF8.self),
            source: dash + 2 < fields.count ? unescape(fields[dash + 2]) : "",
            type: String(decoding: fields[dash + 1], as: UTF8.self),
            user: user
        )
    }

    /// Decodes space, tab, newline and backslash, which are written as `\` and three octal digits.
    private static func unescape(_ field: ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(systemBytes: bytes)
    }
}

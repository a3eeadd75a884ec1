// SPDX-License-Identifier: Apache-2.0
// What configfs, debugfs and sysfs do differently for the same call, as a table with one row for each of them.

/// The rules that hold for every node of one kernel file system.
///
/// Source: recordings of Linux 6.1 and 6.12 (`Tests/Oracle`), and `fs/configfs`, `fs/debugfs`, `fs/libfs.c`.
public struct FileSystemRules: Sendable, Hashable {
    /// The size in bytes that stat(2) gives for a file whose size nobody changed.
    public let fileSize: UInt64
    /// Whether each lookup of a file makes a new inode. A size set by truncate(2) or O_TRUNC then lasts only while the
    /// inode is in use, and names are not cached.
    public let makesFilesAnew: Bool
    /// The error of read(2), write(2) and lseek(2) on an open file once the file was removed, whatever was read before;
    /// nil where each kind has its own rule.
    ///
    /// debugfs: debugfs_file_get() guards every method of the real file (fs/debugfs/file.c, FULL_PROXY_FUNC).
    public let removed: Errno?
    /// The error of fsync(2) on a folder; nil for success.
    public let directorySync: Errno?
    /// Whether an attribute's text is made for each read at offset 0, instead of once per open.
    public let makesTextsAnew: Bool

    /// fs/configfs: attributes are one page; a folder has no fsync method.
    public static let configfs = FileSystemRules(
        fileSize: 4096,
        makesFilesAnew: true,
        removed: nil,
        directorySync: .invalid,
        makesTextsAnew: false
    )
    /// fs/debugfs: sizes are 0; folders use simple_dir_operations, whose fsync does nothing.
    public static let debugfs = FileSystemRules(
        fileSize: 0,
        makesFilesAnew: false,
        removed: .ioError,
        directorySync: nil,
        makesTextsAnew: false
    )
    /// fs/sysfs on fs/kernfs: attributes are one page and are sequence files, which restart at offset 0; a folder has
    /// no fsync method. From reading fs/sysfs/file.c and fs/kernfs/file.c; not recorded.
    public static let sysfs = FileSystemRules(
        fileSize: 4096,
        makesFilesAnew: true,
        removed: nil,
        directorySync: .invalid,
        makesTextsAnew: true
    )
}

/// Limits that the file systems share.
enum FileLimits {
    /// The longest name in bytes (NAME_MAX); one more is ENAMETOOLONG.
    static let name = 255
    /// The page: an attribute's text, a sequence file's first buffer, st_blksize.
    static let page = 4096
    /// Sizes from this one up are EFBIG (s_maxbytes of both is 2^31 - 1).
    static let sizeEnd: UInt64 = 1 << 31
}

// SPDX-License-Identifier: Apache-2.0
// What configfs, debugfs and sysfs do differently for one and the same call, as a table with one row for each of them.

/// The rules that hold for every node of one kernel file system.
///
/// Source: recordings of Linux 6.1 and 6.12 (`Tests/Oracle`), and `fs/configfs`, `fs/debugfs`, `fs/libfs.c`.
public struct FileSystemRules: Sendable, Hashable {
    /// The size in bytes that stat(2) gives for a file whose size nobody changed.
    public let fileSize: UInt64
    /// Whether each lookup of a file makes an inode anew. A size set by truncate(2) or O_TRUNC then lasts only while
    /// the inode is in use, and no name is remembered.
    public let makesFilesAnew: Bool
    /// What read(2), write(2) and lseek(2) of an open file give once the file was removed, whatever it had read; nil
    /// where each kind has its own rule.
    ///
    /// debugfs: debugfs_file_get() in front of every method of the real file (fs/debugfs/file.c, FULL_PROXY_FUNC).
    public let removed: Errno?
    /// What fsync(2) of a folder gives; nil for success.
    public let directorySync: Errno?
    /// Whether an attribute's text is made anew for each read at offset 0, not once an open.
    public let makesTextsAnew: Bool

    /// fs/configfs: attributes are one page; a folder has no fsync method.
    public static let configfs = FileSystemRules(
        fileSize: 4096,
        makesFilesAnew: true,
        removed: nil,
        directorySync: .invalid,
        makesTextsAnew: false
    )
    /// fs/debugfs: sizes are 0; folders take the simple_dir_operations with an fsync that does nothing.
    public static let debugfs = FileSystemRules(
        fileSize: 0,
        makesFilesAnew: false,
        removed: .ioError,
        directorySync: nil,
        makesTextsAnew: false
    )
    /// fs/sysfs on fs/kernfs: attributes are one page and sequence files, which start anew at offset 0; a folder has no
    /// fsync method. Read in fs/sysfs/file.c and fs/kernfs/file.c, not recorded.
    public static let sysfs = FileSystemRules(
        fileSize: 4096,
        makesFilesAnew: true,
        removed: nil,
        directorySync: .invalid,
        makesTextsAnew: true
    )
}

/// Limits that both file systems share.
enum FileLimits {
    /// The longest name in bytes (NAME_MAX); one more is ENAMETOOLONG.
    static let name = 255
    /// The page: an attribute's text, a sequence file's first buffer, st_blksize.
    static let page = 4096
    /// Sizes from here on are EFBIG (s_maxbytes of both, 2^31 - 1).
    static let sizeEnd: UInt64 = 1 << 31
}

// SPDX-License-Identifier: Apache-2.0
// The errors of system calls as typed values, so that every rule of a file says in its signature what it can refuse.

import Glibc

/// An error number of the operating system, thrown by every file rule and replied to the client as it is.
public struct Errno: Error, Hashable, Sendable, RawRepresentable {
    /// The positive error number, as in `errno(3)`.
    public let rawValue: Int32

    /// Wraps a positive error number.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The error that the last failed call of the C library left behind.
    public static var current: Errno { Errno(rawValue: errno) }

    /// EPERM: operation not permitted.
    public static let notPermitted = Errno(rawValue: EPERM)
    /// ENOENT: no such file, or its item is gone.
    public static let noSuchFile = Errno(rawValue: ENOENT)
    /// EINTR: the client was interrupted while it waited.
    public static let interrupted = Errno(rawValue: EINTR)
    /// ENOTCONN: the mount has ended.
    public static let notConnected = Errno(rawValue: ENOTCONN)
    /// EIO: a text did not fit where it had to.
    public static let ioError = Errno(rawValue: EIO)
    /// ENXIO: no such address (SEEK_DATA past the end).
    public static let noSuchAddress = Errno(rawValue: ENXIO)
    /// EBADF: the descriptor was not opened for this.
    public static let badDescriptor = Errno(rawValue: EBADF)
    /// ENOMEM: no memory.
    public static let noMemory = Errno(rawValue: ENOMEM)
    /// EACCES: permission denied.
    public static let accessDenied = Errno(rawValue: EACCES)
    /// EBUSY: not in this state.
    public static let busy = Errno(rawValue: EBUSY)
    /// EEXIST: the name is taken.
    public static let exists = Errno(rawValue: EEXIST)
    /// ENODEV: no such device; for us an offline CPU.
    public static let noSuchDevice = Errno(rawValue: ENODEV)
    /// ENOTDIR: not a folder.
    public static let notDirectory = Errno(rawValue: ENOTDIR)
    /// EISDIR: a folder.
    public static let isDirectory = Errno(rawValue: EISDIR)
    /// EINVAL: not a value that is taken here.
    public static let invalid = Errno(rawValue: EINVAL)
    /// EFBIG: larger than a file can be.
    public static let fileTooLarge = Errno(rawValue: EFBIG)
    /// ENOSPC: no memory of the simulated host is left.
    public static let noSpace = Errno(rawValue: ENOSPC)
    /// ERANGE: a number, but one that does not fit.
    public static let outOfRange = Errno(rawValue: ERANGE)
    /// ENAMETOOLONG: longer than 255 bytes.
    public static let nameTooLong = Errno(rawValue: ENAMETOOLONG)
    /// ENOTEMPTY: something is in the way.
    public static let notEmpty = Errno(rawValue: ENOTEMPTY)
    /// ENOSYS: this system has no such call.
    public static let noSuchOperation = Errno(rawValue: ENOSYS)
    /// EOPNOTSUPP: the operation does not exist here.
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
}

extension Errno: CustomStringConvertible {
    /// The C library's text for the number, as `strerror(3)` gives it.
    public var description: String {
        guard let text = strerror(rawValue) else { return "error \(rawValue)" }
        return String(cString: text)
    }
}

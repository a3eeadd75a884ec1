// SPDX-License-Identifier: Apache-2.0
// The errors of system calls as typed values, so that the signature of every file rule says what it can throw.

import Glibc

/// An error number of the operating system, thrown by file rules and sent to the client unchanged.
public struct Errno: Error, Hashable, Sendable, RawRepresentable {
    /// The positive error number, as in `errno(3)`.
    public let rawValue: Int32

    /// Wraps a positive error number.
    public init(rawValue: Int32) {
        self.rawValue = rawValue
    }

    /// The error of the last failed call of the C library.
    public static var current: Errno { Errno(rawValue: errno) }

    /// EPERM: operation not permitted.
    public static let notPermitted = Errno(rawValue: EPERM)
    /// ENOENT: no such file, or its item is gone.
    public static let noSuchFile = Errno(rawValue: ENOENT)
    /// EINTR: the client was interrupted while it waited.
    public static let interrupted = Errno(rawValue: EINTR)
    /// ENOTCONN: the mount has ended.
    public static let notConnected = Errno(rawValue: ENOTCONN)
    /// EAGAIN: nothing to read yet.
    public static let tryAgain = Errno(rawValue: EAGAIN)
    /// EIO: a text did not fit.
    public static let ioError = Errno(rawValue: EIO)
    /// ENXIO: no such address (SEEK_DATA past the end).
    public static let noSuchAddress = Errno(rawValue: ENXIO)
    /// EBADF: the descriptor was not opened for this operation.
    public static let badDescriptor = Errno(rawValue: EBADF)
    /// ENOMEM: no memory.
    public static let noMemory = Errno(rawValue: ENOMEM)
    /// EACCES: permission denied.
    public static let accessDenied = Errno(rawValue: EACCES)
    /// EBUSY: not possible in this state.
    public static let busy = Errno(rawValue: EBUSY)
    /// EEXIST: the name is taken.
    public static let exists = Errno(rawValue: EEXIST)
    /// ENODEV: no such device; for us an offline CPU.
    public static let noSuchDevice = Errno(rawValue: ENODEV)
    /// ENOTDIR: not a folder.
    public static let notDirectory = Errno(rawValue: ENOTDIR)
    /// EISDIR: a folder.
    public static let isDirectory = Errno(rawValue: EISDIR)
    /// EINVAL: not a valid value here.
    public static let invalid = Errno(rawValue: EINVAL)
    /// EFBIG: larger than a file can be.
    public static let fileTooLarge = Errno(rawValue: EFBIG)
    /// ENOSPC: no memory of the simulated host is left.
    public static let noSpace = Errno(rawValue: ENOSPC)
    /// ERANGE: a number out of range.
    public static let outOfRange = Errno(rawValue: ERANGE)
    /// ENAMETOOLONG: longer than 255 bytes.
    public static let nameTooLong = Errno(rawValue: ENAMETOOLONG)
    /// ENOTEMPTY: the folder is not empty.
    public static let notEmpty = Errno(rawValue: ENOTEMPTY)
    /// ENOSYS: the system lacks this call.
    public static let noSuchOperation = Errno(rawValue: ENOSYS)
    /// EOPNOTSUPP: the operation is not supported here.
    public static let notSupported = Errno(rawValue: EOPNOTSUPP)
}

extension Errno: CustomStringConvertible {
    /// The C library's text for the number, as `strerror(3)` gives it.
    public var description: String {
        guard let text = strerror(rawValue) else { return "error \(rawValue)" }
        return String(cString: text)
    }
}

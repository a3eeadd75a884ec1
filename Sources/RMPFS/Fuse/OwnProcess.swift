// SPDX-License-Identifier: Apache-2.0
// The system's view of this process: its name, how many files it may open, and which process it ends with.

import CFuse
import Glibc

/// This process.
public enum OwnProcess {
    /// Names the process `rmpfs`. Started again through /proc/self/exe, it would be called `exe`.
    public static func setName() { _ = rmpfs_name_process("rmpfs") }

    /// The number of files that a mount opens at a time: the standard ones, the device, a signal's and some of /proc.
    public static let fewestFiles: UInt64 = 16

    /// How many files it may open (RLIMIT_NOFILE), if that is too few for a mount.
    public static var tooFewFiles: UInt64? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return nil }
        return limit.rlim_cur < fewestFiles ? UInt64(limit.rlim_cur) : nil
    }

    /// Sends SIGTERM to this process when another process has ended.
    public static func end(with other: Int32) throws(Errno) {
        let descriptor = rmpfs_open_process(other)
        if descriptor < 0 { throw .current }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, waitForEnd, UnsafeMutableRawPointer(bitPattern: Int(descriptor)))
        if failure != 0 {
            close(descriptor)
            throw Errno(rawValue: failure)
        }
        pthread_detach(thread)
    }
}

private func waitForEnd(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    var descriptor = pollfd(fd: Int32(Int(bitPattern: argument)), events: Int16(POLLIN), revents: 0)
    while poll(&descriptor, 1, -1) < 0 && errno == EINTR {}
    kill(getpid(), SIGTERM)
    return nil
}

// SPDX-License-Identifier: Apache-2.0
// The process that serves a private host. It has the device open, so it must never reach its own mounts by a path: a
// process that waits for its own answer cannot be killed.

import Glibc

/// Serves the trees of a host at the kernel's paths in a private mount namespace.
///
/// It is outside the command's process namespace, in a session of its own, and so out of the command's reach. It has a
/// line to the ``PrivateCommand``: it sends a byte when the host answers; when the line is cut, it ends. It also ends
/// with the process that started it.
public struct PrivateHost: ~Copyable {
    private let line: Int32

    /// Must be called before the process has a second thread.
    /// - Parameter line: the child's end of a ``ParentLine``.
    /// - Throws: ``RunError/byHand`` if nobody made it.
    public init(line: Int32) throws(RunError) {
        guard ParentLine.isHere(line) else { throw .byHand }
        self.line = line
        PrivateNamespace.endWithParent()
        InheritedSignals.blockAll()
        // Descriptors of the caller belong to the command: locks and pipes must not be kept open here.
        for name in SystemFiles.names(in: "/proc/self/fd") ?? [] {
            if let number = Int32(name), number > STDERR_FILENO && number != line { close(number) }
        }
        chdir("/")
    }

    /// Shows the trees and serves them until the command's side has ended.
    public func serve(_ trees: KernelTrees, faults: FaultTable, options: MountOptions) throws(RunError) {
        try KernelPaths.prepare()
        let places = KernelPaths.places(of: trees)
        var mounts: [Mount] = []
        do throws(MountError) {
            for place in places {
                var options = options
                options.source = options.source ?? place.source
                let point = try MountPoint(ownNamespace: place.path)
                mounts.append(try Mount(place.tree, at: point, options: options, faults: faults) {})
            }
        } catch {
            throw .notMounted(error)
        }
        // From here on no path leads this process to the mounts, whatever files in /sys a library opens.
        try KernelPaths.leave(places)
        do throws(MountError) {
            for mount in mounts { try mount.start() }
        } catch {
            throw .notMounted(error)
        }
        withExtendedLifetime(mounts) {
            var byte = PrivateCommand.hostAnswers
            _ = send(line, &byte, 1, Int32(MSG_NOSIGNAL))
            var count = read(line, &byte, 1)
            while count > 0 || count < 0 && errno == EINTR { count = read(line, &byte, 1) }
        }
    }
}

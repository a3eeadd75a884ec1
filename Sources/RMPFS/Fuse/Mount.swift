// SPDX-License-Identifier: Apache-2.0
// A tree at a mount point: libfuse's session from mount to unmount.

import CFuse
import Glibc
import Synchronization

/// A mounted tree.
///
/// Signals that end the process must be blocked before the first thread starts; whoever takes them calls ``end()``.
public final class Mount: Sendable {
    private let session: SessionPointer
    private let tree: MountedTree
    private let path: String
    private let pool: Mutex<WorkerPool?>
    private let ending = Atomic<Bool>(false)

    /// Mounts `root` at `point`. Requests are answered once ``serve()`` runs.
    /// - Parameter onReady: called once, on any thread, when the kernel has greeted the session.
    public init(
        _ root: Directory, at point: MountPoint, options: MountOptions, onReady: @escaping @Sendable () -> Void
    ) throws(MountError) {
        path = point.path
        tree = MountedTree(root: root, onInit: onReady)
        pool = Mutex(nil)
        LibraryLog.install()
        let words = ["rmpfs", "-o", Self.words(options).joined(separator: ",")]
        var vector: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
        vector.append(nil)
        var table = makeOperationTable(exact: options.exact)
        let userdata = Unmanaged.passUnretained(tree).toOpaque()
        let made = vector.withUnsafeMutableBufferPointer { vector in
            var arguments = rmpfs_args(Int32(words.count), vector.baseAddress)
            let made = fuse_session_new(&arguments, &table, MemoryLayout<fuse_lowlevel_ops>.size, userdata)
            fuse_opt_free_args(&arguments)
            return made
        }
        for argument in vector { free(argument) }
        guard let made else { throw Self.refusal(path) }
        session = SessionPointer(pointer: made)
        if fuse_session_mount(made, path) != 0 {
            fuse_session_destroy(made)
            throw Self.refusal(path)
        }
    }

    /// The words that libfuse gets.
    private static func words(_ options: MountOptions) -> [String] {
        var words = ["subtype=rmpfs", "fsname=\(options.source ?? "rmpfs")", "default_permissions", "nosuid", "nodev"]
        if options.allowOther ?? (geteuid() == 0) { words.append("allow_other") }
        return words + options.kernelWords
    }

    private static func refusal(_ path: String) -> MountError {
        let said = LibraryLog.take().joined(separator: "; ")
        return .refused(path: path, reason: said.isEmpty ? Errno.current.description : said)
    }

    /// Answers requests until the tree is unmounted, by ``end()`` or by anybody else.
    public func serve() throws(MountError) {
        try start()
        wait()
    }

    /// Starts to answer requests and returns.
    public func start() throws(MountError) {
        let workers: WorkerPool
        do {
            workers = try WorkerPool(session: session)
        } catch {
            try? Unmount.detach(path)
            throw .noThread(error)
        }
        pool.withLock { $0 = workers }
        // An end() that came before there were workers to stop.
        if ending.load(ordering: .acquiring) { workers.stop() }
    }

    /// Waits until the tree is unmounted. To be called once, after ``start()``.
    public func wait() {
        pool.withLock { $0 }?.wait()
        // Whoever unmounted it: from here on nothing at the mount point is ours.
        ending.store(true, ordering: .releasing)
        fuse_session_destroy(session.pointer)
    }

    /// Unmounts, in use or not, and lets ``wait()`` return. May be called on any thread and more than once.
    public func end() {
        if ending.exchange(true, ordering: .acquiringAndReleasing) { return }
        try? Unmount.detach(path)
        pool.withLock { $0 }?.stop()
    }
}

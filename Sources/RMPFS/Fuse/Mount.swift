// SPDX-License-Identifier: Apache-2.0
// A tree at a mount point: libfuse's session from mount to unmount.

import CFuse
import Glibc
import Synchronization

/// A mounted tree.
///
/// Signals that end the process must be blocked before the first thread starts; their handler calls ``end()``.
public final class Mount: Sendable {
    private let session: SessionPointer
    private let tree: MountedTree
    /// The number of the mounted file system, `major:minor`, which stays the same if the mount is moved.
    private let device: String?
    private let pool: Lock<WorkerPool?>
    private let ending = Atomic<Bool>(false)

    /// Mounts `root` at `point`. Requests are answered once ``serve()`` runs.
    /// - Parameters:
    ///   - faults: the faults that strike requests of this mount; nil if there never are any.
    ///   - onReady: called once, on any thread, when the kernel has initialized the session.
    public init(
        _ root: Directory,
        at point: MountPoint,
        options: MountOptions,
        faults: FaultTable? = nil,
        onReady: @escaping @Sendable () -> Void
    ) throws(MountError) {
        let path = point.path
        tree = MountedTree(root: root, faults: faults, onInit: onReady)
        pool = Lock(nil)
        LibraryLog.install()
        let words = ["rmpfs"] + Self.words(options).flatMap { ["-o", $0] }
        var vector: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0.systemName) }
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
        let before = Set(MountTable.entries().map(\.id))
        do {
            device = try Attachment.attach(made, to: point, options: options, before: before)
            tree.detachWatch.set(device: device)
        } catch {
            fuse_session_destroy(made)
            if case .exchanged = error { Attachment.detachStray(since: before) }
            throw error
        }
    }

    /// The arguments for libfuse.
    private static func words(_ options: MountOptions) -> [String] {
        // libfuse treats a backslash as the start of an escape.
        let source = (options.source ?? "rmpfs").split(separator: "\\", omittingEmptySubsequences: false)
            .joined(separator: "\\\\")
        var words = ["subtype=rmpfs", "fsname=\(source)", "default_permissions", "nosuid", "nodev"]
        if options.letsOthersIn { words.append("allow_other") }
        // libfuse treats a comma as the end of an option.
        let security = options.securityWords.map { $0.replacing(",", with: "\\,") }
        return words + options.kernelWords + security
    }

    /// An error with what libfuse printed, or else with the error of the last call.
    static func refusal(_ path: String) -> MountError {
        let error = Errno.current
        let said = LibraryLog.take().joined(separator: "; ")
        return .refused(path: path, reason: said.isEmpty ? error.description : said)
    }

    /// Answers requests until the tree is unmounted, by ``end()`` or by anyone else.
    public func serve() throws(MountError) {
        try start()
        try wait()
    }

    /// Starts answering requests and returns.
    public func start() throws(MountError) {
        let workers: WorkerPool
        do {
            workers = try WorkerPool(session: session)
        } catch {
            detach()
            throw .noThread(error)
        }
        tree.session.withLock { $0 = session }
        tree.faults?.tell(tree.delayed.listener(for: tree), for: tree)
        pool.withLock { pool in
            pool = workers
            // end() may have been called before there were workers to stop.
            if ending.load(ordering: .acquiring) { workers.stop() }
        }
    }

    /// Waits until the tree is unmounted. Must be called once, after ``start()``.
    /// - Throws: ``MountError/deviceFailed(_:)`` if something else ended it.
    public func wait() throws(MountError) {
        let workers = pool.withLock { $0 }
        workers?.wait()
        // After this nobody holds a request or uses the session.
        tree.faults?.tell(nil, for: tree)
        tree.delayed.end()
        tree.detachWatch.end()
        tree.waiting.end()
        tree.session.withLock { $0 = nil }
        ending.store(true, ordering: .releasing)
        // An aborted connection leaves its mount behind.
        detach(onlyDead: true)
        // A concurrent end() either is done with the session or finds no pool.
        pool.withLock { pool in
            pool = nil
            fuse_session_destroy(session.pointer)
        }
        if let failure = workers?.failure { throw .deviceFailed(failure) }
    }

    /// Unmounts, in use or not, and lets ``wait()`` return. May be called on any thread and more than once.
    public func end() {
        if ending.exchange(true, ordering: .acquiringAndReleasing) { return }
        tree.waiting.endRest()
        tree.waiting.waitForReaders()
        detach(onlyDead: pool.withLock { $0?.hasEnded ?? false })
        pool.withLock { $0?.stop() }
    }

    /// Detaches this mount wherever it is by now, and no other one at the same place. A mount that is covered by
    /// another cannot be reached; it is dead when the daemon has ended, and the next mount there clears it away.
    /// - Parameter onlyDead: for a session that has ended. If an unmount ended it, its number is free, and a newer
    ///   mount may have it: if it answers, it is not ours.
    private func detach(onlyDead: Bool = false) {
        guard let device else { return }
        for entry in MountTable.entries().reversed() where entry.device == device {
            guard let place = Self.find(entry) else { continue }
            if onlyDead && MountPoint.ask(place.link) != ENOTCONN { continue }
            try? Unmount.detach(place)
        }
    }

    /// The root of a mount, unless it is covered. Somebody who keeps exchanging parts of its path can win sometimes,
    /// not always.
    private static func find(_ entry: MountTableEntry) -> Place? {
        for _ in 0..<64 {
            guard let now = MountTable.entries().first(where: { $0.id == entry.id }) else { return nil }
            if let place = try? Place.find(now.mountPoint), place.mount == entry.id { return place }
            if MountTable.entry(at: now.mountPoint)?.id != entry.id { return nil }
        }
        return nil
    }
}

// SPDX-License-Identifier: Apache-2.0
// Where faults strike: between a request from the kernel and the operation that answers it.

import CFuse
import Glibc

enum FaultGate {
    /// What strikes a request; nil if nothing does, which costs one load while there is no fault.
    /// - Parameters:
    ///   - name: the name in the folder `id`, for requests about a name.
    ///   - isFirst: false for a request that continues an earlier one.
    static func strike(
        _ request: fuse_req_t?,
        _ operation: FaultOperation,
        _ id: fuse_ino_t,
        _ name: UnsafePointer<CChar>? = nil,
        isFirst: Bool = true
    ) -> FaultStrike? {
        guard let request, let tree = MountedTree.of(request), let faults = tree.faults, faults.isArmed else {
            return nil
        }
        let node = NodeReference.node(id, in: tree)
        return faults.strike(operation, on: node, child: name.map { bytes(of: $0) }, isFirst: isFirst)
    }
}

extension FaultStrike {
    /// Carries out a request that this strikes: with an error, or by `operation`; now, or later.
    func carryOut(_ request: fuse_req_t?, _ operation: @escaping DelayedRequests.Operation) {
        guard let request, let tree = MountedTree.of(request) else { return }
        let answer: DelayedRequests.Operation
        if let error { answer = { Reply.error($0, error) } } else { answer = operation }
        if delays.isEmpty { answer(request) } else { tree.delayed.add(request, self, answer) }
    }

    /// The number of bytes that a read of `size` may return.
    func limited(_ size: Int) -> Int { min(size, short ?? size) }
}

/// A name that outlives the kernel's buffer.
struct KeptName: Sendable {
    private let characters: [CChar]

    init(_ name: UnsafePointer<CChar>?) {
        characters = bytes(of: name).map { CChar(bitPattern: $0) } + [0]
    }

    /// Passes the name to `body`, NUL-terminated.
    func withPointer(_ body: (UnsafePointer<CChar>?) -> Void) {
        characters.withUnsafeBufferPointer { body($0.baseAddress) }
    }
}

/// An open file's data, which outlives libfuse's own.
///
/// Unchecked: a C structure of numbers, copied.
struct KeptInfo: @unchecked Sendable {
    private let info: fuse_file_info?

    init(_ info: UnsafeMutablePointer<fuse_file_info>?) {
        self.info = info?.pointee
    }

    /// Passes a copy to `body`.
    func withPointer(_ body: (UnsafeMutablePointer<fuse_file_info>?) -> Void) {
        guard var copy = info else { return body(nil) }
        withUnsafeMutablePointer(to: &copy) { body($0) }
    }
}

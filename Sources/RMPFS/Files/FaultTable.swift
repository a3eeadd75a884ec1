// SPDX-License-Identifier: Apache-2.0
// All faults of one mount, and which of them strike a request.

import Synchronization

/// What strikes one request.
struct FaultStrike: Sendable {
    /// The error returned instead of carrying the request out.
    var error: Errno?
    /// The most bytes that a read returns.
    var short: Int?
    /// The faults that delay it, and by how many milliseconds; delays add up.
    var delays: [(fault: FaultTable.ID, milliseconds: UInt64)] = []
}

/// The faults of a host, in all the mounts that show it.
///
/// While no fault could strike, a request costs one load. If several faults match a request, all strike: delays add up,
/// the first error is returned, the smallest read limit applies.
public final class FaultTable: Sendable {
    /// Identifies a fault for the lifetime of the table; never reused.
    public typealias ID = UInt64

    /// The maximum number of faults.
    static let limit = 1024

    /// Who hears about changes: the code that answers the requests.
    struct Listener: Sendable {
        /// A fault was removed or no longer strikes: what it delays is released.
        let released: @Sendable (ID) -> Void
        /// A new fault can only strike if the kernel drops its caches.
        let mustForget: @Sendable () -> Void
    }

    private struct State: Sendable {
        /// Oldest first, which is the order of the numbers.
        var rules: [(id: ID, rule: FaultRule)] = []
        var next: ID = 1

        func index(of id: ID) -> Int? { rules.firstIndex { $0.id == id } }
    }

    private struct Shield: Sendable {
        weak var folder: Directory?
    }

    private let state = Lock(State())
    private let armed = Atomic<Bool>(false)
    private let forgetful = Atomic<Bool>(false)
    private let shield = Lock(Shield())
    private let listeners = Lock<[ObjectIdentifier: Listener]>([:])
    /// Whether the host's work is stopped; the lock keeps changes in order.
    private let isHolding = Lock(false)
    private let holdWork: (@Sendable (Bool) -> Void)?

    ///   - holdWork: stops and resumes the host's work, for faults of ``FaultOperation/work``; nil where there is no
    ///     such work, and such faults are refused.
    public init(holdWork: (@Sendable (Bool) -> Void)? = nil) {
        self.holdWork = holdWork
    }

    /// Whether some fault could strike.
    var isArmed: Bool { armed.load(ordering: .relaxed) }

    /// Whether the kernel must not cache, so that a fault can strike.
    var isForgetful: Bool { forgetful.load(ordering: .relaxed) }

    /// Exempts a folder and its contents, and lookups of the folder, from all faults: the folder through which faults
    /// are removed.
    func protect(_ folder: Directory) {
        shield.withLock { $0.folder = folder }
    }

    /// Sets who hears about changes on behalf of a mount; nil for nobody.
    func tell(_ listener: Listener?, for mount: AnyObject) {
        listeners.withLock { $0[ObjectIdentifier(mount)] = listener }
    }

    /// Adds a fault that does nothing yet.
    /// - Throws: ``Errno/noSpace`` if there are too many.
    public func add() throws(Errno) -> ID {
        try state.withLock { state throws(Errno) in
            guard state.rules.count < Self.limit else { throw .noSpace }
            let id = state.next
            state.next += 1
            state.rules.append((id, FaultRule()))
            return id
        }
    }

    /// Removes a fault and releases what it delays.
    public func remove(_ id: ID) {
        state.withLock { state in state.rules.removeAll { $0.id == id } }
        settle()
        for listener in listeners.withLock({ $0 }).values { listener.released(id) }
    }

    /// A fault's present state.
    /// - Throws: ``Errno/noSuchFile`` if it was removed.
    public func rule(_ id: ID) throws(Errno) -> FaultRule {
        try state.withLock { state throws(Errno) in
            guard let index = state.index(of: id) else { throw .noSuchFile }
            return state.rules[index].rule
        }
    }

    /// Changes a fault; the change applies from the next request on.
    /// - Throws: ``Errno/noSuchFile`` if it was removed, ``Errno/notSupported`` for work that cannot be stopped.
    public func change(_ id: ID, _ body: (inout FaultRule) throws(Errno) -> Void) throws(Errno) {
        let (stopped, forgets) = try state.withLock { state throws(Errno) in
            guard let index = state.index(of: id) else { throw .noSuchFile }
            var rule = state.rules[index].rule
            let heldWork = rule.holdsWork
            try body(&rule)
            if rule.operation == .work && holdWork == nil { throw .notSupported }
            if rule.holdsWork && !heldWork { rule.hits &+= 1 }
            state.rules[index].rule = rule
            return (!rule.isActive, rule.isArmed && rule.operation.isRemembered)
        }
        settle()
        for listener in listeners.withLock({ $0 }).values {
            if stopped { listener.released(id) }
            if forgets { listener.mustForget() }
        }
    }

    /// Updates the flags that requests check, and stops or resumes the host's work.
    private func settle() {
        isHolding.withLock { isHolding in
            let holds = state.withLock { state in
                armed.store(state.rules.contains { $0.rule.isArmed }, ordering: .relaxed)
                forgetful.store(
                    state.rules.contains { $0.rule.isArmed && $0.rule.operation.isRemembered },
                    ordering: .relaxed
                )
                return state.rules.contains { $0.rule.holdsWork }
            }
            if holds != isHolding { holdWork?(holds) }
            isHolding = holds
        }
    }

    /// What strikes a request on `node`, or on the name `child` in it; nil if nothing does.
    /// - Parameter isFirst: false for a request that continues an earlier one.
    func strike(
        _ operation: FaultOperation,
        on node: Node,
        child: [UInt8]? = nil,
        isFirst: Bool = true
    ) -> FaultStrike? {
        guard let path = node.path(of: child), !isProtected(path, from: operation) else { return nil }
        var strike: FaultStrike?
        var isSpent = false
        state.withLock { state in
            for index in state.rules.indices where state.rules[index].rule.isFor(operation, path, isFirst: isFirst) {
                guard state.rules[index].rule.strikes() else { continue }
                let rule = state.rules[index].rule
                var sum = strike ?? FaultStrike()
                sum.error = sum.error ?? rule.error
                if let short = rule.short { sum.short = min(sum.short ?? .max, Int(short)) }
                let delay = rule.delay(of: operation, isFirst: isFirst)
                if delay > 0 { sum.delays.append((state.rules[index].id, UInt64(delay))) }
                strike = sum
                isSpent = isSpent || rule.count == 0
            }
        }
        if isSpent { settle() }
        return strike
    }

    /// Whether a fault could change what the kernel caches about `node`.
    func concernsMemory(of path: [UInt8]) -> Bool {
        guard !isProtected(path, from: .attributes) else { return false }
        return state.withLock { state in
            state.rules.contains { $0.rule.isFor(.attributes, path) || $0.rule.isFor(.lookup, path) }
        }
    }

    private func isProtected(_ path: [UInt8], from operation: FaultOperation) -> Bool {
        guard let shield = shield.withLock({ $0.folder?.path(of: nil) }) else { return false }
        func isAbove(_ upper: [UInt8], _ lower: [UInt8]) -> Bool {
            upper == Node.rootPath
                || lower.count > upper.count && lower.starts(with: upper)
                    && lower[upper.count] == UInt8(ascii: "/")
        }
        if path == shield || isAbove(shield, path) { return true }
        // Whoever reaches the folder looks up and stats those above it.
        return (operation == .lookup || operation == .attributes) && isAbove(path, shield)
    }
}

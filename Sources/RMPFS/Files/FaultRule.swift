// SPDX-License-Identifier: Apache-2.0
// Defines one fault: which requests it strikes, what it does to them, and how often.

/// Operations of clients that a fault can strike.
public enum FaultOperation: Sendable, Hashable, CaseIterable {
    /// open(2) of a file.
    case open
    /// read(2) and its relatives.
    case read
    /// write(2) and its relatives.
    case write
    /// Finding a name in a folder.
    case lookup
    /// stat(2) and its relatives.
    case attributes
    /// Listing a folder.
    case list
    /// mkdir(2).
    case makeFolder
    /// rmdir(2).
    case removeFolder
    /// All of the above. A delay without an error strikes only the request that begins a client's action
    /// (``beginsSomething``).
    case any
    /// Not a request: work that the host does in the background, which does not end while the fault exists.
    case work

    /// Whether a fault for this operation applies to `other`.
    func covers(_ other: FaultOperation) -> Bool { self == other || self == .any && other != .work }

    /// Whether such a request begins a client's action, so that one delay for each is one for each `cat`, `echo`, `ls`,
    /// `mkdir` or `rmdir`. Excludes names looked up on the way, and anything on an open file.
    var beginsSomething: Bool { [.open, .list, .makeFolder, .removeFolder].contains(self) }

    /// Whether the kernel answers such requests from its caches, unless caching is off.
    var isRemembered: Bool { [.lookup, .attributes, .any].contains(self) }
}

/// A fault: its settings, and how often it has struck.
public struct FaultRule: Sendable {
    /// The number of probabilities from 0 to 1, which are kept in billionths.
    static let certain: UInt64 = 1_000_000_000

    /// The paths that it applies to; nil for none.
    var pattern: GlobPattern?
    /// The operation that it applies to.
    public var operation = FaultOperation.any
    /// The error returned instead of carrying the request out; nil for none.
    public var error: Errno?
    /// How much the answer is delayed, in milliseconds; see ``delay(of:isFirst:)``.
    public var delay: UInt32 = 0
    /// The most bytes that a read returns; nil for no limit.
    public var short: UInt32?
    /// How many times it still strikes; nil for no limit.
    public var count: UInt64?
    /// How likely it strikes a matching request, in billionths.
    public var probability = FaultRule.certain
    /// The seed of its random numbers. Setting it restarts them.
    public var seed: UInt64 = 0 { didSet { state = seed } }
    /// Whether it strikes at all.
    public var isActive = true
    /// How often it has struck.
    public internal(set) var hits: UInt64 = 0
    /// The state of its random numbers: SplitMix64, written out since Files knows nothing of the model, which has one.
    private var state: UInt64 = 0

    /// Whether it could strike any request.
    var isArmed: Bool {
        isActive && count != 0 && probability > 0 && pattern != nil && operation != .work
            && (error != nil || delay > 0 || short != nil)
    }

    /// Whether it stops the host's work.
    var holdsWork: Bool { isActive && operation == .work }

    /// How much the answer to such a request is delayed, in milliseconds. With an error, every request is delayed: the
    /// client gets the error and goes no further. Without one, the client would wait several times for one action.
    /// - Parameter isFirst: false for requests that continue an earlier one, such as further parts of a listing.
    func delay(of operation: FaultOperation, isFirst: Bool = true) -> UInt32 {
        self.operation == .any && error == nil && !(operation.beginsSomething && isFirst) ? 0 : delay
    }

    /// Whether it has any effect on such a request.
    private func acts(on operation: FaultOperation, isFirst: Bool) -> Bool {
        error != nil || delay(of: operation, isFirst: isFirst) > 0 || operation == .read && short != nil
    }

    /// Whether it applies to such a request on this path; ``strikes()`` then decides whether it strikes.
    func isFor(_ operation: FaultOperation, _ path: [UInt8], isFirst: Bool = true) -> Bool {
        isArmed && self.operation.covers(operation) && acts(on: operation, isFirst: isFirst)
            && pattern?.matches(path) == true
    }

    /// Decides whether it strikes a matching request, and counts.
    mutating func strikes() -> Bool {
        if probability < Self.certain && random() % Self.certain >= probability { return false }
        hits &+= 1
        if let left = count { count = left - 1 }
        return true
    }

    private mutating func random() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

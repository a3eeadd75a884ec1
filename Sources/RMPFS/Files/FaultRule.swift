// SPDX-License-Identifier: Apache-2.0
// What one fault is: which requests it is for, what it does to them, and how often.

/// What clients do that a fault can strike.
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
    /// Each of those above. A delay without an error strikes only where a client begins (``beginsSomething``).
    case any
    /// No request: work of the host behind the files, which does not end while the fault is there.
    case work

    /// Whether a fault for this operation is one for `other`.
    func covers(_ other: FaultOperation) -> Bool { self == other || self == .any && other != .work }

    /// Whether a client begins something by such a request, so that one delay for each of these is one for each
    /// `cat`, `echo`, `ls`, `mkdir` or `rmdir`: no name that is looked up on the way, and nothing on an open file.
    var beginsSomething: Bool { [.open, .list, .makeFolder, .removeFolder].contains(self) }

    /// Whether the kernel answers such requests from what it remembers, unless it is told not to remember.
    var isRemembered: Bool { [.lookup, .attributes, .any].contains(self) }
}

/// A fault: its settings, and how often it has struck.
public struct FaultRule: Sendable {
    /// The number of probabilities from 0 to 1: they are kept in billionths.
    static let certain: UInt64 = 1_000_000_000

    /// The paths it is for; nil for none.
    var pattern: GlobPattern?
    /// The operation it is for.
    public var operation = FaultOperation.any
    /// The error that requests get instead of being carried out; nil for none.
    public var error: Errno?
    /// How much later a request is answered, in milliseconds; see ``delay(of:isFirst:)``.
    public var delay: UInt32 = 0
    /// The most bytes that a read returns; nil for as many as it can.
    public var short: UInt32?
    /// How often it will strike yet; nil for ever.
    public var count: UInt64?
    /// How likely it is to strike a request that it is for, in billionths.
    public var probability = FaultRule.certain
    /// Where its random numbers start. Setting it starts them anew.
    public var seed: UInt64 = 0 { didSet { state = seed } }
    /// Whether it strikes at all.
    public var isActive = true
    /// How often it has struck.
    public internal(set) var hits: UInt64 = 0
    /// Where its random numbers are (splitmix64).
    private var state: UInt64 = 0

    /// Whether it could strike a request of some kind.
    var isArmed: Bool {
        isActive && count != 0 && probability > 0 && pattern != nil && operation != .work
            && (error != nil || delay > 0 || short != nil)
    }

    /// Whether it holds the host's work.
    var holdsWork: Bool { isActive && operation == .work }

    /// How much later such a request is answered, in milliseconds. A client that gets an error waits before it and goes
    /// no further; any other would wait again and again for one thing.
    /// - Parameter isFirst: false for those that go on with what an earlier one began, as parts of a list.
    func delay(of operation: FaultOperation, isFirst: Bool = true) -> UInt32 {
        self.operation == .any && error == nil && !(operation.beginsSomething && isFirst) ? 0 : delay
    }

    /// Whether it does anything to such a request.
    private func acts(on operation: FaultOperation, isFirst: Bool) -> Bool {
        error != nil || delay(of: operation, isFirst: isFirst) > 0 || operation == .read && short != nil
    }

    /// Whether it is for such a request on this path; whether it strikes then is for ``strikes()`` to say.
    func isFor(_ operation: FaultOperation, _ path: [UInt8], isFirst: Bool = true) -> Bool {
        isArmed && self.operation.covers(operation) && acts(on: operation, isFirst: isFirst)
            && pattern?.matches(path) == true
    }

    /// Decides whether a request that it is for is struck, and counts.
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

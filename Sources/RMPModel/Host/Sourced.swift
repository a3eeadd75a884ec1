// SPDX-License-Identifier: Apache-2.0
// A fact with the place where it was read: nobody has to take it on trust, and nobody can state one without a source.

/// How a fact is known.
public enum Standing: Sendable, Hashable, CaseIterable {
    /// Read in the posted or merged code, or said by its author.
    case read
    /// Concluded from other facts; no source states it.
    case concluded
    /// Sources contradict each other or are silent; a choice.
    case unsettled

    /// The word in `rmpfs series --sources`.
    public var word: String {
        switch self {
        case .read: "read"
        case .concluded: "concluded"
        case .unsettled: "unsettled"
        }
    }
}

/// Where a fact comes from.
public struct Source: Sendable, Hashable {
    /// The patch or commit and the place in it, such as `v8 4/7, rmpopt_work_handler()`.
    public let place: String
    /// How the fact is known from there.
    public let standing: Standing

    /// A place in words, and how the fact is known from there.
    public init(_ place: String, _ standing: Standing = .read) {
        self.place = place
        self.standing = standing
    }
}

/// A value and where it comes from. Two are equal if their values are: versions that do the same thing are equal,
/// wherever each was read.
@propertyWrapper
public struct Sourced<Value: Sendable & Hashable>: Sendable, Hashable {
    /// The value.
    public internal(set) var wrappedValue: Value
    /// Where it comes from.
    public internal(set) var source: Source

    /// Value and source together: `$fact` of a `@Sourced var fact`.
    public internal(set) var projectedValue: Sourced<Value> {
        get { self }
        set { self = newValue }
    }

    /// A value read at a place.
    static func read(_ value: Value, _ place: String) -> Sourced { Sourced(value, Source(place)) }
    /// A value concluded from what a place says.
    static func concluded(_ value: Value, _ place: String) -> Sourced { Sourced(value, Source(place, .concluded)) }
    /// A value chosen where sources disagree or say nothing.
    static func unsettled(_ value: Value, _ place: String) -> Sourced { Sourced(value, Source(place, .unsettled)) }

    private init(_ value: Value, _ source: Source) {
        wrappedValue = value
        self.source = source
    }

    /// Whether the values are equal.
    public static func == (left: Sourced, right: Sourced) -> Bool { left.wrappedValue == right.wrappedValue }
    /// Hashes the value.
    public func hash(into hasher: inout Hasher) { hasher.combine(wrappedValue) }
}

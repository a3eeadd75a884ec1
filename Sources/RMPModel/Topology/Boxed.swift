// SPDX-License-Identifier: Apache-2.0
// A large value that hardly ever changes, in one word: whoever copies what contains it copies a reference.

/// A value behind a reference. Setting it replaces the reference, so that copies keep what they had.
///
/// A version of the series is 3 kB, and a machine is copied for a moment wherever one of its properties is read from
/// another module.
struct Boxed<Value: Sendable>: Sendable {
    private final class Box: Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    private var box: Box

    /// A box with `value` in it.
    init(_ value: Value) { box = Box(value) }

    /// The value.
    var value: Value {
        // Lends the value: a getter would copy all of it to read one field, unless that is optimized away.
        _read { yield box.value }
        set { box = Box(newValue) }
    }
}

extension Boxed: Equatable where Value: Equatable {
    static func == (left: Boxed, right: Boxed) -> Bool { left.box === right.box || left.box.value == right.box.value }
}

extension Boxed: Hashable where Value: Hashable {
    func hash(into hasher: inout Hasher) { hasher.combine(box.value) }
}

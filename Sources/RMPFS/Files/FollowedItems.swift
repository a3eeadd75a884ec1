// SPDX-License-Identifier: Apache-2.0
// Items that come and go without a client's mkdir and rmdir: which there are now, and which a folder has already.

/// What a folder must know to show the items of somebody else.
struct FollowedItems: Sendable {
    /// Names and numbers of the items that exist now; another item of a name has another number.
    private let present: @Sendable () -> [(name: [UInt8], number: Int)]
    private let make: @Sendable (_ number: Int) -> Directory
    private var known: [[UInt8]: Int] = [:]

    /// - Parameter make: makes the folder of an item.
    init(
        present: @escaping @Sendable () -> [(name: [UInt8], number: Int)],
        make: @escaping @Sendable (_ number: Int) -> Directory
    ) {
        self.present = present
        self.make = make
    }

    /// What has changed.
    struct Change {
        var gone: [[UInt8]] = []
        var new: [(name: [UInt8], number: Int, item: Directory)] = []

        var isEmpty: Bool { gone.isEmpty && new.isEmpty }
    }

    /// Takes note of what there is now.
    /// - Returns: what a folder that was up to date before has to remove, and then to add.
    mutating func update() -> Change {
        var change = Change()
        let now = present()
        let numbers = Dictionary(now.map { ($0.name, $0.number) }) { _, last in last }
        change.gone = known.filter { numbers[$0.key] != $0.value }.map(\.key)
        change.new = now.filter { known[$0.name] != $0.number }.map { ($0.name, $0.number, make($0.number)) }
        known = numbers
        return change
    }

    /// A client has made an item.
    mutating func noteMade(_ name: [UInt8]) { known[name] = present().last { $0.name == name }?.number }

    /// A client has removed an item.
    mutating func noteRemoved(_ name: [UInt8]) { known[name] = nil }
}

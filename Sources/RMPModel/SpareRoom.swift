// SPDX-License-Identifier: Apache-2.0
// Collections that give room back: Swift's own keep the room of the most elements that they ever held.

/// Below this, room is not worth the copy.
private let leastRoom = 1_024

extension Array {
    /// Gives room back when at most an eighth is in use. Called behind each removal it costs no more than that.
    package mutating func giveRoomBack() {
        guard capacity > leastRoom, count <= capacity / 8 else { return }
        var smaller: [Element] = []
        smaller.reserveCapacity(2 * count)
        smaller.append(contentsOf: self)
        self = smaller
    }
}

extension Dictionary {
    /// As that of an array.
    package mutating func giveRoomBack() {
        guard capacity > leastRoom, count <= capacity / 8 else { return }
        var smaller = Dictionary(minimumCapacity: 2 * count)
        for (key, value) in self { smaller[key] = value }
        self = smaller
    }
}

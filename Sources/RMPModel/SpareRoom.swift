// SPDX-License-Identifier: Apache-2.0
// Collections that return spare capacity: Swift's own keep the capacity for the most elements that they ever held.

/// Below this capacity a copy is not worth it.
private let leastRoom = 1_024

extension Array {
    /// Returns capacity when at most an eighth is in use. Called after each removal, it costs no more than the removals
    /// do.
    package mutating func giveRoomBack() {
        guard capacity > leastRoom, count <= capacity / 8 else { return }
        var smaller: [Element] = []
        smaller.reserveCapacity(2 * count)
        smaller.append(contentsOf: self)
        self = smaller
    }
}

extension Dictionary {
    /// As for an array.
    package mutating func giveRoomBack() {
        guard capacity > leastRoom, count <= capacity / 8 else { return }
        var smaller = Dictionary(minimumCapacity: 2 * count)
        for (key, value) in self { smaller[key] = value }
        self = smaller
    }
}

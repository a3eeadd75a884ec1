// SPDX-License-Identifier: Apache-2.0
// How long guests live, as a curve of survivors: straight lines between given points.

/// A distribution of lifetimes.
struct Survival: Sendable, Hashable {
    /// Age in ns, and the share of guests that live longer; the first is (0, 1), the last has share 0.
    let points: [(age: UInt64, share: Double)]
    /// The sum of shares over age up to each point, in ns.
    private let areas: [Double]

    init(_ points: [(age: UInt64, share: Double)]) {
        self.points = points
        var areas = [0.0]
        for (left, right) in zip(points, points.dropFirst()) {
            areas.append(areas[areas.count - 1] + Double(right.age - left.age) * (left.share + right.share) / 2)
        }
        self.areas = areas
    }

    static func == (left: Survival, right: Survival) -> Bool {
        left.points.elementsEqual(right.points) { $0 == $1 }
    }
    func hash(into hasher: inout Hasher) {
        for point in points {
            hasher.combine(point.age)
            hasher.combine(point.share)
        }
    }

    /// The mean lifetime, in ns.
    var mean: Double { areas[areas.count - 1] }

    /// A lifetime, in ns, at least 1 s.
    func lifetime(_ random: inout Random) -> UInt64 {
        let share = random.fraction()
        for (left, right) in zip(points, points.dropFirst()) where share >= right.share {
            let part = left.share > right.share ? (left.share - share) / (left.share - right.share) : 0
            return max(1_000_000_000, left.age + UInt64(part * Double(right.age - left.age)))
        }
        return points[points.count - 1].age
    }

    /// What is left of the life of a guest that is met at a random moment, in ns.
    func remainder(_ random: inout Random) -> UInt64 {
        let area = random.fraction() * mean
        for index in 1..<points.count where area < areas[index] {
            let (left, right) = (points[index - 1], points[index])
            // By halving: the area grows with the age, and no root is taken.
            var (low, high) = (0.0, 1.0)
            for _ in 0..<40 {
                let middle = (low + high) / 2
                let share = left.share + (right.share - left.share) * middle / 2
                let reached = areas[index - 1] + share * middle * Double(right.age - left.age)
                if reached < area { low = middle } else { high = middle }
            }
            return max(1_000_000_000, left.age + UInt64(low * Double(right.age - left.age)))
        }
        return points[points.count - 1].age
    }
}

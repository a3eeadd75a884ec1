// SPDX-License-Identifier: Apache-2.0
// How far each node's CPUs are from each node's memory, for choosing the window with the lowest average distance.

/// The distances between NUMA nodes, as ACPI's SLIT gives them.
public struct NUMADistances: Sendable, Hashable {
    /// The distances that the SLIT can hold, 10 (local) ... 254.
    public static let limits = 10...254
    /// A row for each node: the distance from its CPUs to each node's memory.
    public let rows: [[Int]]

    /// Distances as given.
    ///
    /// - Throws: `ConfigurationError.distances` if the rows are not a square of `nodeCount` with values in `limits` and
    ///   10 from each node to itself.
    public init(rows: [[Int]], nodeCount: Int) throws(ConfigurationError) {
        guard rows.count == nodeCount, rows.allSatisfy({ $0.count == nodeCount }) else {
            throw .distances("\(nodeCount) rows of \(nodeCount) numbers each are needed")
        }
        for (node, row) in rows.enumerated() {
            guard row.allSatisfy(NUMADistances.limits.contains) else {
                throw .distances("row \(node): a distance is 10 to 254")
            }
            guard row[node] == 10 else { throw .distances("row \(node): the distance of a node to itself is 10") }
        }
        self.rows = rows
    }

    /// The usual distances of EPYC: 10 within a node, 12 within a package, 32 between packages; 50 to a node without
    /// CPUs (a choice: firmware differs).
    public init(_ topology: Topology) {
        rows = (0..<topology.nodeCount).map { from in
            (0..<topology.nodeCount).map { to in
                if from == to { return 10 }
                guard let left = topology.packageOfNode[from], let right = topology.packageOfNode[to] else { return 50 }
                return left == right ? 12 : 32
            }
        }
    }
}

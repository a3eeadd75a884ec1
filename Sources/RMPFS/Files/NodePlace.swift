// SPDX-License-Identifier: Apache-2.0
// Where a node is in its tree. No paths are stored: they are assembled on request.

/// A node's name, and the folder that contains it.
struct NodePlace: Sendable {
    /// Weak: the folder holds the node.
    weak var folder: Directory?
    let name: [UInt8]
}

extension Node {
    /// The path of a tree's root.
    static let rootPath = [UInt8(ascii: ".")]

    /// The path from the tree's root, without a leading `/`, of this node or of the name `child` in it; nil if a folder
    /// above is gone. A removed node keeps its path.
    func path(of child: [UInt8]?) -> [UInt8]? {
        var names: [[UInt8]] = child.map { [$0] } ?? []
        var node = self
        while let place = node.place.withLock({ $0 }) {
            guard let folder = place.folder else { return nil }
            names.append(place.name)
            node = folder
        }
        return names.isEmpty ? Self.rootPath : Array(names.reversed().joined(separator: [UInt8(ascii: "/")]))
    }
}

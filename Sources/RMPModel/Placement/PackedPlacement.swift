// SPDX-License-Identifier: Apache-2.0
// First fit, over the whole host or over one node.

/// The lowest free memory, for everybody.
public struct PackedPlacement: PlacementPolicy {
    /// Without state.
    public init() {}

    /// The lowest free memory of the request's node, or of the host.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        memory.lowest(request, in: memory.chunks(ofNode: request.node))
    }
}

/// The lowest free memory of one node: the request's, or else the lowest node that has enough.
public struct LocalPlacement: PlacementPolicy {
    /// Without state.
    public init() {}

    /// Memory of a single node; nil if none has enough.
    public mutating func take(_ request: MemoryRequest, from memory: HostMemory) -> [PageRun]? {
        for node in request.node.map({ [$0] }) ?? memory.nodes {
            if let runs = memory.lowest(request, in: memory.chunks(ofNode: node)) { return runs }
        }
        return nil
    }
}

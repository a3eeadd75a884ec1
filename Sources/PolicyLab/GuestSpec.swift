// SPDX-License-Identifier: Apache-2.0
// A guest as a workload asks for it.

/// One guest of a workload.
public struct GuestSpec: Sendable, Hashable {
    /// When it arrives, in ns.
    public var arrival: UInt64
    /// How long it runs, in ns; nil: to the end.
    public var lifetime: UInt64?
    /// Its memory, in pages.
    public var pages: Int
    /// Whether it is an SNP guest; nil until that is decided.
    public var isSNP: Bool?
    /// Its vCPUs.
    public var vcpus: Int
    /// Who asked for it.
    public var tenant: Int
    /// The node that its memory must come from.
    public var node: Int?

    /// A guest.
    public init(
        arrival: UInt64,
        lifetime: UInt64?,
        pages: Int,
        isSNP: Bool? = nil,
        vcpus: Int = 1,
        tenant: Int = 0,
        node: Int? = nil
    ) {
        self.arrival = arrival
        self.lifetime = lifetime
        self.pages = pages
        self.isSNP = isSNP
        self.vcpus = vcpus
        self.tenant = tenant
        self.node = node
    }
}

// SPDX-License-Identifier: Apache-2.0
// A guest in one value, and its launch in one call, for programs; users of files set a guest up step by step.

/// What a guest is made from.
public struct GuestDescription: Sendable, Hashable {
    /// Its name, which no other guest has. Set it if the name is not UTF-8.
    public var name: GuestName
    /// An SNP guest or an ordinary one.
    public var type: GuestType
    /// Its memory in bytes: a multiple of 4096, and of its folios.
    public var memoryBytes: UInt64
    /// The folios behind its memory.
    public var backing: Backing
    /// How its memory is chosen.
    public var placement: Placement
    /// The node that its memory must come from; nil for any.
    public var node: Int?
    /// Its vCPUs, 1 ... 4096.
    public var vcpus: Int

    /// A guest by its parts; checked when it is launched.
    public init(
        _ name: String,
        memoryBytes: UInt64,
        backing: Backing = .size2M,
        placement: Placement = .packed,
        node: Int? = nil,
        vcpus: Int = 1,
        type: GuestType = .snp
    ) {
        self.name = GuestName(name)
        self.memoryBytes = memoryBytes
        self.backing = backing
        self.placement = placement
        self.node = node
        self.vcpus = vcpus
        self.type = type
    }
}

extension Machine {
    /// Makes a guest and launches it.
    ///
    /// - Parameters:
    ///   - guest: the guest.
    ///   - time: when, in ns of virtual time; a time in the past counts as `now`, which is also the default.
    /// - Returns: the running guest.
    /// - Throws: `CommandError`, of whichever command refuses the guest. There is no such guest then, though pages of a
    ///   launch that failed halfway are still going back.
    @discardableResult
    public mutating func launch(_ guest: GuestDescription, at time: UInt64 = 0) throws(CommandError) -> GuestID {
        try perform(.createGuest(name: guest.name), at: time)
        guard let id = guestID(named: guest.name) else { throw .invalid(.name) }
        do {
            if guest.type != .snp { try perform(.setGuestType(id, guest.type)) }
            try perform(.setGuestMemory(id, bytes: guest.memoryBytes))
            try perform(.setGuestBacking(id, guest.backing))
            try perform(.setGuestPlacement(id, guest.placement))
            try perform(.setGuestNode(id, guest.node))
            try perform(.setGuestVCPUs(id, guest.vcpus))
            try perform(.startGuest(id))
        } catch {
            _ = try? perform(.removeGuest(id))
            throw error
        }
        return id
    }
}

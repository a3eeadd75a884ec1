// SPDX-License-Identifier: Apache-2.0
// The posted versions of the RMPOPT series as rows of facts, so that the driver has no code path for each version.

/// What one version of the series makes the host's driver do.
public struct Series: Sendable, Hashable {
    /// The version: 1 for v1.
    public let version: Int
    /// Which CPUs execute RMPOPT for each region of a pass.
    public let participants: PassParticipants
    /// How many bytes from the start of the range a pass covers at most; nil for all of it.
    public let passLimit: UInt64?

    /// Version 1, 2026-02-17: one thread of each core, over all memory whatever a core's window.
    ///
    /// Source: series v1 patch 4/6.
    public static let v1 = Series(version: 1, participants: .oneThreadPerCore, passLimit: nil)
}

/// Which CPUs take part in a pass.
public enum PassParticipants: Sendable, Hashable {
    /// One online thread of each core.
    case oneThreadPerCore
    /// Every online CPU.
    case allOnline
}

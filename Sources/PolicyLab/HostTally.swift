// SPDX-License-Identifier: Apache-2.0
// What one host has measured, in whole numbers, so that the hosts of a fleet add up exactly.

/// The measurements of a host.
public struct HostTally: Sendable {
    let integrals: Integrals
    /// What passes have cost.
    public let counts: PassCounts
    let recoveries: [UInt64]
    let unrecovered: Int
    /// Guests launched.
    public let launched: Int
    /// Guests refused.
    public let refused: Int
}

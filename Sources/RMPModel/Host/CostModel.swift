// SPDX-License-Identifier: Apache-2.0
// How long things take. A model: fitted to the few figures ever posted, with every assumption a named number.

/// The durations that the machine's virtual time is made of, in nanoseconds.
///
/// Posted figures (Ashish Kalra, 2026-03-16, 2 TB = 2048 regions): 311,135,734 ns when every region succeeds,
/// 95,275,588 ns when every region fails at its first page. The second is nearly the broadcast alone, 46.5 us a region;
/// a success adds a scan of 512 entries (41 us at 80 ns a miss) and the other cores' own RMPOPT (57 us, the average of
/// 2026-03-05 with all cores at once). Nobody has measured anything between the two: that a scan which stops at frame k
/// costs k/512 of a whole one, for the first core and for the others alike, is this model's assumption.
public struct CostModel: Sendable, Hashable {
    /// One broadcast to the CPUs that take part, and waiting for all of them.
    public var broadcast: UInt64 = 46_500
    /// RMPOPT that stops at once: 60 cycles at 2 GHz.
    public var instruction: UInt64 = 30
    /// The scan of a whole region by the first core.
    public var fullScan: UInt64 = 41_000
    /// RMPOPT on the other cores at the same time, when the whole region is scanned.
    public var contendedFollower: UInt64 = 57_000
    /// Making one 4 KB page shared at a guest's end: one RMPUPDATE. The model's choice, nobody has posted it; what the
    /// host does beside it (flushing caches, freeing) is not counted.
    public var share4K: UInt64 = 80
    /// Making a 2 MB entry shared at a guest's end: likewise one RMPUPDATE.
    public var share2M: UInt64 = 80
    /// Making a page or a frame private: one RMPUPDATE, as `share4K`.
    public var assign: UInt64 = 80
    /// PSMASH: it writes 512 entries, 8 KB of RMP in 128 cache lines, at the 80 ns a miss of `fullScan`. The model's
    /// choice, nobody has posted it.
    public var smash: UInt64 = 10_240
    /// What a private fault takes beside its RMPUPDATE: the exit, KVM's look-up of the folio, the nested page table.
    /// The model's choice: 4,000 cycles at 2 GHz.
    public var privateFault: UInt64 = 2_000
    /// SNP_LAUNCH_UPDATE of one page: the command's way to the security processor and back, and SHA-384 over 4 KB
    /// there. The model's choice: 40 us, 100 MB/s.
    public var launchUpdate: UInt64 = 40_000
    /// PVALIDATE in the guest, of either size. The model's choice: one access to the RMP, as RMPUPDATE.
    public var validate: UInt64 = 80

    /// The default durations, from the posted figures.
    public static let standard = CostModel()

    /// The parts of one region's cost in a pass.
    ///
    /// - Parameters:
    ///   - firstAssignedFrame: the lowest frame (0 ... 511) with an assigned page, at which the scan stops; nil when
    ///     there is none.
    ///   - cores: how many cores execute RMPOPT with the region inside their window; the others answer at once.
    public func region(firstAssignedFrame: Int?, cores: Int) -> RegionCost {
        let frames = UInt64(Granularity.framesPerRegion)
        let scanned = cores == 0 ? 0 : UInt64(truncatingIfNeeded: firstAssignedFrame ?? Granularity.framesPerRegion)
        return RegionCost(
            broadcast: broadcast.addingClamped(instruction),
            scan: fullScan.multipliedClamped(by: scanned) / frames,
            followers: cores > 1 ? contendedFollower.multipliedClamped(by: scanned) / frames : 0
        )
    }
}

/// What one region costs in a pass, in nanoseconds.
public struct RegionCost: Sendable, Hashable {
    /// The broadcast and the instruction itself.
    public var broadcast: UInt64
    /// The first core's scan.
    public var scan: UInt64
    /// What the other cores add.
    public var followers: UInt64

    /// The sum.
    public var total: UInt64 { broadcast.addingClamped(scan).addingClamped(followers) }
}

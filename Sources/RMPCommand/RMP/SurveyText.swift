// SPDX-License-Identifier: Apache-2.0
// A survey as people read it: the gigabytes that are held, in the words of `blockers`, then what it all comes to.

import RMPImage
import RMPModel

extension PageOwner {
    /// As `blockers` has it; the guest's name is not in the RMP.
    var words: String {
        switch self {
        case .rmpTable: "RMP table"
        case .firmware: "firmware"
        case .guest(let asid): "asid \(asid)"
        case .reclaim: "reclaim"
        case .locked: "locked"
        case .hypervisorFixed: "HV-fixed"
        case .free: "free"
        }
    }
}

extension OwnedPages {
    /// `asid 5 262144 pages (2 MB)`; sizes of entries only where there are 2 MB ones.
    var text: String {
        let size =
            switch (small, large) {
            case (_, 0): ""
            case (0, _): " (2 MB)"
            default: " (\(large) in 2 MB)"
            }
        return "\(owner.words) \(pages) pages\(size)"
    }

    /// The same for a picture; pages that nobody owns are leaked.
    fileprivate var blocker: HostBlocker {
        let pages = UInt64(pages)
        return switch owner {
        case .rmpTable: .rmpTable(pages: pages)
        case .firmware: .firmware(pages: pages)
        case .guest(let asid): .guest(name: "asid\(asid)", asid: UInt64(asid), pages: pages)
        case .reclaim, .locked, .hypervisorFixed, .free: .leaked(pages: pages)
        }
    }
}

extension Survey {
    /// The survey as text.
    func text(_ source: RMPSource) -> String {
        var lines: [String] = []
        for tally in regions {
            let held = tally.owners.filter(\.owner.isAssigned).map(\.text)
            let other = tally.uncovered > 0 ? ["not covered \(tally.uncovered) pages"] : []
            let marks = tally.oddities.changed > 0 ? ["changed while it was read"] : []
            if (held + other).isEmpty && marks.isEmpty { continue }
            lines.append("\(Self.label(tally.region))\((held + other + marks).joined(separator: ", "))")
        }
        if !lines.isEmpty { lines.append("") }
        return (lines + summary(source)).joined(separator: "\n") + "\n"
    }

    /// `Memory @  5GB: `, as the kernel's table has it.
    private static func label(_ region: Int) -> String {
        let number = String(region)
        return "Memory @\(String(repeating: " ", count: max(0, 3 - number.count)))\(number)GB: "
    }

    private func summary(_ source: RMPSource) -> [String] {
        var lines = ["RMP: \(place)"]
        let all = totals.map(\.text) + (unread > 0 ? ["not assigned \(unread) pages"] : [])
        lines.append("pages: \(all.joined(separator: ", "))")
        lines.append(
            "regions: \(placement.regions), free \(placement.optimizable), "
                + "held \(placement.regions - placement.optimizable), "
                + "of which by the RMP, firmware or nobody's pages \(placement.pinned)"
        )
        lines.append(
            "packed: \(placement.optimizableIfPacked) free with the same guests; placement costs \(placement.lost)"
        )
        for move in moves.singles.prefix(5) { lines.append("alone: \(move.text)") }
        for (number, move) in moves.steps.enumerated() { lines.append("move \(number + 1): \(move.text)") }
        if moves.isCutShort { lines.append("other moves have no room in regions that stay held") }
        return lines + warnings
    }

    /// Form and place of the RMP.
    private var place: String {
        let base = Hexadecimal.text(layout.rmpBase)
        guard layout.isSegmented else { return "contiguous, \(base)-\(Hexadecimal.text(layout.rmpEnd))" }
        let size = MemorySize(bytes: 1 << UInt64(layout.shift)).defaultValueDescription
        let segments = layout.segments.count == 1 ? "1 segment" : "\(layout.segments.count) segments"
        return "\(segments) of at most \(size), bookkeeping and segment table at \(base)"
    }

    /// What is odd, a line each.
    var warnings: [String] {
        var lines: [String] = []
        if oddities.undescribed > 0 {
            lines.append(
                "warning: \(oddities.undescribed) entries are in no state that the manual defines: are they in the "
                    + "form '\(form.rawValue)'?"
            )
        }
        if oddities.miscounted > 0 {
            lines.append(
                "warning: \(oddities.miscounted) chunks state a wrong number of subpages: do not use "
                    + "--quick on this host"
            )
        }
        if oddities.irregular > 0 {
            lines.append("warning: \(oddities.irregular) chunks have entries that a 2 MB entry never leaves behind")
        }
        if oddities.changed > 0 {
            lines.append(
                "warning: \(oddities.changed) chunks changed each time they were read: their pages may belong to others"
            )
        }
        return lines
    }
}

extension Move {
    /// `asid 3, 5: 1024 pages out of 2 regions win 2 GB, 512 pages for each`
    fileprivate var text: String {
        let guests = asids.map { String($0) }.joined(separator: ", ")
        return "asid \(guests.isEmpty ? "-" : guests): \(pages) pages to move, \(regions.count) GB to win, "
            + "\(pagesPerRegion) pages for each"
    }
}

extension RegionSnapshot {
    /// A survey's regions for a picture.
    init(_ survey: Survey) {
        self.init(
            regions: survey.regions.map { tally in
                var state = RegionState(region: UInt64(tally.region))
                state.isFree = tally.isOptimizable
                // The picture takes the first.
                if let item = tally.owners.first(where: \.owner.isAssigned) {
                    state.reasons = [item.blocker]
                } else if tally.uncovered > 0 {
                    state.reasons = [.uncovered(pages: UInt64(tally.uncovered))]
                }
                return state
            },
            cpus: 0,
            hasBlockers: true
        )
        isOfRMP = true
    }
}

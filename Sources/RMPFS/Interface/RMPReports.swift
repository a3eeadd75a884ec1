// SPDX-License-Identifier: Apache-2.0
// blockers and metrics of a host of which only the RMP is read, in the words of the others.

import RMPImage
import RMPModel

enum RMPReports {
    /// A line for each region that RMPOPT cannot optimize now.
    static func blockers(_ survey: Survey, into text: inout TextBuffer) {
        for tally in survey.regions where !tally.isOptimizable {
            text.append(region: tally.region)
            var isFirst = true
            func separate(_ text: inout TextBuffer) {
                if !isFirst { text.append(", ") }
                isFirst = false
            }
            for item in tally.owners where item.owner.isAssigned {
                separate(&text)
                switch item.owner {
                case .rmpTable: text.append("RMP table")
                case .firmware: text.append("firmware")
                case .reclaim: text.append("reclaim")
                case .locked: text.append("locked")
                case .guest(let asid):
                    // Its name is not in the RMP.
                    text.append("guest ? (asid ")
                    text.append(decimal: UInt64(asid))
                    text.append(")")
                case .hypervisorFixed, .free: break
                }
                text.append(0x20)
                text.append(decimal: UInt64(item.pages))
                text.append(" pages")
            }
            if tally.uncovered > 0 {
                separate(&text)
                text.append("not covered ")
                text.append(decimal: UInt64(tally.uncovered))
                text.append(" pages")
            }
            text.append(0x0A)
        }
    }

    /// The owners of assigned pages in the labels of metrics; all guests are one.
    private enum Owner: Int, CaseIterable {
        case rmpTable, firmware, guest, reclaim, locked

        init?(_ owner: PageOwner) {
            switch owner {
            case .rmpTable: self = .rmpTable
            case .firmware: self = .firmware
            case .guest: self = .guest
            case .reclaim: self = .reclaim
            case .locked: self = .locked
            case .hypervisorFixed, .free: return nil
            }
        }

        var word: StaticString {
            switch self {
            case .rmpTable: "rmp_table"
            case .firmware: "firmware"
            case .guest: "guest"
            case .reclaim: "reclaim"
            case .locked: "locked"
            }
        }

        var heldBack: HeldBack {
            switch self {
            case .rmpTable: .rmpTable
            case .firmware: .firmware
            case .guest: .guest
            case .reclaim, .locked: .leaked
            }
        }
    }

    /// The numbers that the entries give.
    static func metrics(_ reading: RMPEngine.Reading, into text: inout TextBuffer) {
        let survey = reading.survey
        MetricsReport.build(series: nil, engine: "rmp", into: &text)
        text.append(single: .regions, UInt64(survey.regions.count))
        text.append(single: .free, UInt64(survey.placement.optimizable))
        text.append(single: .freeIfPacked, UInt64(survey.placement.optimizableIfPacked))
        var regions = [UInt64](repeating: 0, count: Owner.allCases.count)
        var pages = regions
        var held = HeldBackCounts()
        var guests: Set<UInt16> = []
        var free = UInt64(survey.unread)
        for tally in survey.regions {
            var owners: Set<Owner> = []
            for item in tally.owners {
                if item.owner == .free { free += UInt64(item.pages) }
                if case .guest(let asid) = item.owner { guests.insert(asid) }
                guard let owner = Owner(item.owner) else { continue }
                pages[owner.rawValue] += UInt64(item.pages)
                owners.insert(owner)
            }
            for owner in owners { regions[owner.rawValue] += 1 }
            if tally.isOptimizable { continue }
            let reasons = owners.map(\.heldBack) + (tally.uncovered > 0 ? [.uncovered] : [])
            held.add(reasons.min { $0.rawValue < $1.rawValue } ?? .unknown)
        }
        held.write(into: &text)
        text.append(headOf: .blocked)
        for owner in Owner.allCases { text.append(.blocked, ("by", owner.word), regions[owner.rawValue]) }
        text.append(headOf: .pages)
        for owner in Owner.allCases { text.append(.pages, ("owner", owner.word), pages[owner.rawValue]) }
        text.append(single: .freeBytes, free * Granularity.page)
        text.append(single: .guests, UInt64(guests.count))
        text.append(headOf: .oddities)
        let odd = survey.oddities
        let kinds: KeyValuePairs<StaticString, Int> = [
            "undescribed": odd.undescribed, "miscounted": odd.miscounted, "irregular": odd.irregular,
            "changed": odd.changed,
        ]
        for (kind, count) in kinds { text.append(.oddities, ("kind", kind), UInt64(count)) }
        text.append(seconds: .readingSeconds, reading.duration)
        text.append(seconds: .readingEnd, reading.end)
        text.append(single: .readingBytes, survey.bytesRead)
    }
}

// SPDX-License-Identifier: Apache-2.0
// A survey for programs: JSON and lines separated by commas. Both are described in docs/rmp.md.

import RMPImage
import RMPModel

extension PageOwner {
    /// The word in JSON and CSV.
    var key: String {
        switch self {
        case .rmpTable: "rmp_table"
        case .firmware: "firmware"
        case .guest: "guest"
        case .reclaim: "reclaim"
        case .locked: "locked"
        case .hypervisorFixed: "hv_fixed"
        case .free: "free"
        }
    }

    /// A guest's ASID.
    var asid: UInt16? { if case .guest(let asid) = self { asid } else { nil } }
}

extension Survey {
    /// The version of the JSON's form: grows when a key changes its meaning or goes away.
    static let formatVersion: UInt64 = 1

    /// `region,owner,asid,pages,pages_4k,pages_2m`, a line for each owner in each region.
    var commaSeparated: String {
        var text = "region,owner,asid,pages,pages_4k,pages_2m\n"
        for tally in regions {
            for item in tally.owners {
                let asid = item.owner.asid.map { String($0) } ?? ""
                text += "\(tally.region),\(item.owner.key),\(asid),\(item.pages),\(item.small),\(item.large)\n"
            }
            for (key, pages) in [("unassigned", tally.unread), ("uncovered", tally.uncovered)] where pages > 0 {
                text += "\(tally.region),\(key),,\(pages),\(pages),0\n"
            }
        }
        return text
    }

    /// The survey as JSON.
    func json(_ source: RMPSource) -> JSON {
        .members([
            "version": .number(Self.formatVersion),
            "source": .string(source.name),
            "registers": .members([
                "rmp_base": .string(Hexadecimal.text(source.registers.base)),
                "rmp_end": .string(Hexadecimal.text(source.registers.end)),
                "rmp_cfg": .string(Hexadecimal.text(source.registers.configuration)),
            ]),
            "segmented": .bool(layout.isSegmented),
            "segments": .array(layout.segments.map(Self.json)),
            "form": .string(form.rawValue),
            "depth": .string(depth.rawValue),
            "bytes_read": .number(bytesRead),
            "regions": .array(regions.map(Self.json)),
            "totals": .array(totals.map(Self.json)),
            "placement": .members([
                "regions": .count(placement.regions),
                "free": .count(placement.optimizable),
                "pinned": .count(placement.pinned),
                "free_if_packed": .count(placement.optimizableIfPacked),
                "guest_pages": .count(placement.guestPages),
                "exact": .bool(depth == .full && placement.isBest),
            ]),
            "moves": .members([
                "alone": .array(moves.singles.map(Self.json)),
                "steps": .array(moves.steps.map(Self.json)),
                "cut_short": .bool(moves.isCutShort),
            ]),
            "warnings": .array(warnings.map { .string($0) }),
        ])
    }

    private static func json(_ segment: RMPSegment) -> JSON {
        .members([
            "index": .count(segment.index),
            "table": .string(Hexadecimal.text(segment.table.lowerBound)),
            "table_bytes": .number(segment.table.upperBound - segment.table.lowerBound),
            "covers": .string(Hexadecimal.text(segment.covered.lowerBound)),
            "covered_bytes": .number(segment.covered.upperBound - segment.covered.lowerBound),
        ])
    }

    private static func json(_ tally: RegionTally) -> JSON {
        .members([
            "region": .count(tally.region),
            "free": .bool(tally.isOptimizable),
            "owners": .array(tally.owners.map(json)),
            "unassigned": .count(tally.unread),
            "uncovered": .count(tally.uncovered),
            "undescribed": .count(tally.oddities.undescribed),
            "miscounted": .count(tally.oddities.miscounted),
            "irregular": .count(tally.oddities.irregular),
            "changed": .count(tally.oddities.changed),
        ])
    }

    private static func json(_ item: OwnedPages) -> JSON {
        .members([
            "owner": .string(item.owner.key),
            "asid": item.owner.asid.map { .number(UInt64($0)) } ?? .null,
            "pages": .count(item.pages),
            "pages_4k": .count(item.small),
            "pages_2m": .count(item.large),
        ])
    }

    private static func json(_ move: Move) -> JSON {
        .members([
            "asids": .array(move.asids.map { .number(UInt64($0)) }),
            "regions": .array(move.regions.map(JSON.count)),
            "pages": .count(move.pages),
        ])
    }
}

extension JSON {
    /// A number of things, which is never negative.
    fileprivate static func count(_ value: Int) -> JSON { .number(UInt64(max(value, 0))) }
}

extension PageReading {
    /// The entry field by field, a line each.
    func text(_ form: EntryForm) -> String {
        fields(form).map { "\($0.name): \($0.text)\n" }.joined()
    }

    /// The version of the JSON's form: grows when a key changes its meaning or goes away.
    static let formatVersion: UInt64 = 1

    /// The same as JSON; what the form of the entries does not have is null.
    func json(_ form: EntryForm) -> JSON {
        let value = authority.entry
        let isRaw = form == .raw
        let permissions = (0...3).map { JSON.string(authority.permissions(ofVMPL: $0).letters) }
        return .members([
            "version": .number(Self.formatVersion),
            "page": .string(Hexadecimal.text(page.rawValue << 12)),
            "state": state.map { .string($0.description) } ?? .null,
            "owner": .string(owner.key),
            "entry_at": .string(Hexadecimal.text(entryAddress.rawValue)),
            "raw": isRaw ? .array([entry.low, entry.high].map { .string(Hexadecimal.word($0)) }) : .null,
            "inside": first2M.map { .string(Hexadecimal.text($0)) } ?? .null,
            "assigned": .bool(value.assigned),
            "page_bytes": .number(value.pageSize == .size2M ? Granularity.chunk : Granularity.page),
            "immutable": .bool(value.immutable),
            "asid": .number(UInt64(value.asid)),
            "gpa": .string(Hexadecimal.text(value.gpa.rawValue)),
            "vmsa": isRaw ? .bool(value.vmsa) : .null,
            "validated": isRaw ? .bool(value.validated) : .null,
            "locked": isRaw ? .bool(value.locked) : .null,
            "assigned_subpages": isRaw ? .count(authority.subpageCount) : .null,
            "vmpl_permissions": isRaw ? .array(permissions) : .null,
            "changed": .bool(hasChanged),
        ])
    }

    /// Where the 2 MB entry begins that describes a page after its first, in bytes.
    private var first2M: UInt64? {
        isInside2M && page.rawValue & 511 != 0 ? (page.rawValue & ~511) << 12 : nil
    }

    private func fields(_ form: EntryForm) -> [(name: String, text: String)] {
        let value = authority.entry
        var fields = [
            ("page", Hexadecimal.text(page.rawValue << 12)),
            ("state", state?.description ?? "none that the manual has"),
            ("owner", owner.words),
            ("entry at", Hexadecimal.text(entryAddress.rawValue)),
        ]
        if form == .raw {
            fields.append(("raw", "\(Hexadecimal.word(entry.low)) \(Hexadecimal.word(entry.high))"))
        }
        if let first2M {
            fields.append(("inside", "the 2 MB entry of \(Hexadecimal.text(first2M)), shown here"))
        }
        fields += [
            ("assigned", value.assigned ? "yes" : "no"),
            ("size", value.pageSize == .size2M ? "2 MB" : "4 KB"),
            ("immutable", value.immutable ? "yes" : "no"),
            ("asid", "\(value.asid)"),
            ("gpa", Hexadecimal.text(value.gpa.rawValue)),
        ]
        if form == .raw {
            fields += [
                ("vmsa", value.vmsa ? "yes" : "no"),
                ("validated", value.validated ? "yes" : "no"),
                ("locked", value.locked ? "yes" : "no"),
                ("assigned subpages", "\(authority.subpageCount)"),
                ("vmpl permissions", (0...3).map { authority.permissions(ofVMPL: $0).letters }.joined(separator: " ")),
            ]
        }
        if hasChanged { fields.append(("warning", "changed each time it was read")) }
        return fields
    }
}

extension VMPLPermissions {
    /// Read, write, user and supervisor execution, shadow stack: `rwusk`, a `-` for each that is missing.
    fileprivate var letters: String {
        let all: [(VMPLPermissions, Character)] = [
            (.read, "r"), (.write, "w"), (.executeUser, "u"), (.executeSupervisor, "s"), (.shadowStack, "k"),
        ]
        return String(all.map { contains($0.0) ? $0.1 : "-" })
    }
}

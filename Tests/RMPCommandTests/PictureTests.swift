// SPDX-License-Identifier: Apache-2.0
// The picture of the regions: cells, sizes that fit, colours, SVG; and the numbers of status.

import Foundation
import Testing

@testable import RMPCommand

@Suite struct PictureTests {
    /// 100 regions and 4 CPUs with one of each kind at the front.
    private static let mixed: RegionSnapshot = {
        var regions = (0..<100).map { RegionState(region: UInt64($0), optimized: 4) }
        let reasons: [[HostBlocker]] = [
            [.rmpTable(pages: 9), .firmware(pages: 1)], [.firmware(pages: 2)],
            [.guest(name: "a\tb", asid: 3, pages: 7)],
            [.guest(name: "a\tb", asid: 3, pages: 5), .leaked(pages: 1)], [.leaked(pages: 1)], [.notScanned],
            [.outside(cpus: "0-3")], [],
        ]
        for (number, reasons) in reasons.enumerated() {
            regions[number].optimized = 0
            regions[number].reasons = reasons
        }
        regions[8].optimized = 3
        regions[8].reasons = [.notScanned]
        return RegionSnapshot(regions: regions, cpus: 4, offline: 2, hasBlockers: true)
    }()

    private static func plain(_ size: Int) -> RegionSnapshot {
        let regions = (0..<size).map { RegionState(region: UInt64($0), optimized: 1) }
        return RegionSnapshot(regions: regions, cpus: 1, hasBlockers: false)
    }

    private func screen(_ columns: Int, _ rows: Int? = nil, colours: Bool = false) -> Screen {
        Screen(columns: columns, rows: rows, hasColours: colours)
    }

    @Test func letters() {
        let lines = RegionPicture(Self.mixed, columns: 80).lines(on: screen(80))
        #expect(lines[0] == "  0 GB  RRFFGGGGLLNNOOXXSS" + String(repeating: ".", count: 46))
        #expect(lines[3].hasPrefix(" 96 GB  ........") && lines[4].isEmpty)
        #expect(lines[5] == ".. optimized on all CPUs: 91")
        #expect(lines.contains("GG guest: 2"))
        #expect(
            lines.suffix(2) == [
                "100 regions of 1 GB, 4 CPUs, 2 more offline", "optimized on all: 91 (91.0 %), on some: 1, on none: 8",
            ]
        )
    }

    @Test func aCellOfSeveralRegions() {
        let lines = RegionPicture(Self.mixed, columns: 28, rows: 16).lines(on: screen(28, 16))
        #expect(lines[0] == "  0 GB  gls.............")
        let picture = RegionPicture(Self.mixed, columns: 28, rows: 16)
        #expect(picture.regionsPerCell == 4 && picture.cellWidth == 1 && picture.cellsPerRow == 16)
        #expect(picture.rows[0].cells.prefix(4).map(\.isWhole) == [false, false, false, true])
        // Of four regions R, F, G, G most are the guest's; S is alone after three good ones.
        #expect(picture.rows[0].cells.prefix(4).map(\.kind) == [.guest, .leaked, .partly, .optimized])
        #expect(lines.joined(separator: " ").contains("a cell is 4 regions; small letters: not all of them"))
    }

    /// For all sizes, it fits and shows every region once.
    @Test(arguments: [1, 2, 63, 64, 65, 1000, 2048, 4097], [20, 21, 80, 132, 400])
    func fits(regions: Int, columns: Int) {
        for rows in [nil, 5, 24, 50, 200] {
            let picture = RegionPicture(Self.plain(regions), columns: columns, rows: rows)
            let lines = picture.lines(on: screen(columns, rows))
            for line in lines { #expect(line.count <= columns, "\(line)") }
            #expect(picture.rows.reduce(0) { $0 + $1.cells.count } == (regions - 1) / picture.regionsPerCell + 1)
            if let rows, rows >= 24 { #expect(lines.count < rows, "\(lines.count) lines in \(rows) rows") }
            for (number, row) in picture.rows.enumerated() {
                #expect(row.region == UInt64(number * picture.cellsPerRow * picture.regionsPerCell))
            }
        }
    }

    @Test func coloursSayTheSameAsLetters() throws {
        let picture = RegionPicture(Self.mixed, columns: 80)
        let coloured = picture.lines(on: screen(80, colours: true))
        let plain = picture.lines(on: screen(80))
        #expect(coloured.count == plain.count)
        let escape = try Regex("\u{1B}\\[[0-9;]*m")
        for (one, other) in zip(coloured, plain) {
            let bare = one.replacing(escape, with: "")
            #expect(bare.count == other.count)
            for (shown, letter) in zip(bare, other) { #expect(shown == letter || shown == " ") }
            if one.contains("\u{1B}") { #expect(one.contains("\u{1B}[0m")) }
        }
    }

    @Test func everyKindHasItsOwnLetterAndColour() {
        let looks = RegionKind.allCases.map(\.look)
        #expect(Set(looks.map(\.letter)).count == looks.count)
        #expect(Set(looks.map(\.terminal)).count == looks.count)
        #expect(Set(looks.map(\.fill)).count == looks.count)
        #expect(Set(RegionKind.allCases.map(\.word)).count == looks.count)
    }

    @Test func svgHasACellForEachRegion() throws {
        let svg = RegionPicture(Self.mixed, columns: 140).svg(title: "host")
        let document = try XMLDocumentCheck(svg)
        #expect(document.isWellFormed)
        let legend = 9
        #expect(svg.components(separatedBy: "<rect ").count - 1 == 100 + legend + 1)
        #expect(svg.contains("<title>8 GB: optimized on some CPUs</title>"))
    }

    @Test(arguments: [
        (true, "", "xterm", true), (true, "1", "xterm", false), (true, "", "dumb", false), (true, "", "", false),
        (false, "", "xterm", false),
    ])
    func colourOnlyWhereItIsWanted(isTerminal: Bool, noColour: String, term: String, expected: Bool) {
        let environment = ["NO_COLOR": noColour, "TERM": term]
        let screen = Screen(isTerminal: isTerminal, window: (80, 24)) { environment[$0] }
        #expect(screen.hasColours == expected)
        #expect((screen.rows != nil) == isTerminal)
    }

    @Test func widthComesFromTheTerminalThenFromCOLUMNS() {
        #expect(Screen(isTerminal: true, window: (132, 50)) { _ in "99" }.columns == 132)
        #expect(Screen(isTerminal: false, window: (0, 0)) { _ in "99" }.columns == 99)
        #expect(Screen(isTerminal: false, window: (0, 0)) { _ in "many" }.columns == 80)
        #expect(Screen(isTerminal: false, window: (0, 0)) { _ in "-5" }.columns == 20)
    }

    // MARK: status

    @Test func status() {
        let pass = PassRow(
            number: 7,
            trigger: "request",
            start: 5_000_000_000,
            end: 5_311_135_734,
            leader: 80_000_000,
            followers: nil,
            broadcasts: nil,
            won: 3,
            lost: 2,
            kept: nil,
            blocked: nil,
            outside: nil,
            calls: 1,
            interrupts: nil,
            interruptsOff: 116_291_000,
            executions: nil,
            inVain: nil,
            stolen: nil
        )
        let next = try? Schedule(
            HostText(
                name: "schedule",
                bytes: Array("running: no\npending: yes\ndue_ns: 15000000000\nasked_by: guest-end\n".utf8)
            )
        )
        let report = StatusReport(mountPoint: "/m", snapshot: Self.mixed, passes: [pass], schedule: next)
        #expect(
            report.text == """
                /m: 100 regions of 1 GB, 4 CPUs (2 more offline)
                optimized on all CPUs             91 regions
                optimized on some CPUs             1 region
                optimized on no CPU                8 regions
                held back by:
                  RMP table                        1 region, 9 pages
                  firmware                         2 regions, 3 pages
                  guest a?b (asid 3)               2 regions, 12 pages
                  leaked pages                     2 regions, 2 pages
                  not scanned                      2 regions
                  outside all windows              1 region
                last pass                     #7 (request) ended at 5.311 s
                                              took 311.135 ms, leader 80.000 ms, 3 won, 2 lost
                                              interrupts off for 116.291 ms at most, 1 broadcast
                next pass                     pending at 15.000 s, asked by guest-end

                """
        )
    }

    @Test func statusAsJSON() throws {
        let report = StatusReport(mountPoint: "/m \"x\"", snapshot: Self.mixed, passes: [], schedule: nil)
        let object = try JSONSerialization.jsonObject(with: Data(report.json.text.utf8)) as? [String: Any]
        let top = try #require(object)
        #expect(
            Set(top.keys) == ["version", "mountpoint", "cpus", "regions", "blockers", "last_pass", "schedule"]
        )
        #expect(top["mountpoint"] as? String == "/m \"x\"")
        let regions = try #require(top["regions"] as? [String: Any])
        #expect(regions["free"] is NSNull)
        #expect(
            regions.compactMapValues { $0 as? Int } == [
                "total": 100, "optimized_on_all": 91, "optimized_on_some": 1, "optimized_on_none": 8,
            ]
        )
        let guest = (top["blockers"] as? [[String: Any]])?.first { $0["kind"] as? String == "guest" }
        #expect(guest?["guest"] as? String == "a\tb")
        #expect(guest?["asid"] as? Int == 3 && guest?["regions"] as? Int == 2 && guest?["pages"] as? Int == 12)
        #expect(top["last_pass"] is NSNull && top["schedule"] is NSNull)
    }
}

/// Whether a text is well-formed XML, as far as its tags show.
private struct XMLDocumentCheck {
    let isWellFormed: Bool

    /// Tags must be closed in order; a small check, because no XML parser is linked.
    init(_ text: String) throws {
        var open: [Substring] = []
        var isRight = true
        for tag in text.matches(
            of: try Regex("<(/?)([a-z]+)[^<>]*?(/?)>", as: (Substring, Substring, Substring, Substring).self)
        ) {
            if !tag.output.1.isEmpty {
                isRight = isRight && open.popLast() == tag.output.2
            } else if tag.output.3.isEmpty {
                open.append(tag.output.2)
            }
        }
        isWellFormed = isRight && open.isEmpty
    }
}

// SPDX-License-Identifier: Apache-2.0
// The page shows the tests that are compiled and run here, word for word.

import Foundation
import Testing

@Suite struct PageTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: folder.appendingPathComponent(path), encoding: .utf8)
    }

    @Test(arguments: ["GuestsAndPassesTests.swift", "TwoNodesTests.swift"])
    func thePageShowsTheseTests(file: String) throws {
        let page = try Self.text("../../Sources/RMPModel/RMPModel.docc/TestingAgainstAMachine.md")
        let tests = try Self.text(file)
        let body = tests[try #require(tests.range(of: "import RMPModel\n")).lowerBound...]
        let blocks = page.components(separatedBy: "```swift\n").dropFirst().compactMap {
            $0.components(separatedBy: "```\n").first
        }
        #expect(blocks.contains(String(body)), "copy \(file), from its imports on, into the page")
    }
}

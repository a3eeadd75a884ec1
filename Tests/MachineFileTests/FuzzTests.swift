// SPDX-License-Identifier: Apache-2.0
// Random changes to the shipped files: reading always returns, and errors are one line.

import Foundation
import RMPModelTestSupport
import Testing

@testable import MachineFile

@Suite struct FuzzTests {
    /// Strings that are often interesting to a parser or in arithmetic.
    private static let pieces = [
        "0", "-1", "18446744073709551615", "0xffffffffffffffff", "64T", "16777216T", "[", "]", "{", "}", "&a ", "*a",
        "!!int ",
        "? ", ": ", "- ", "\n", "\t", "'", "\"", "#", "|\n", "---\n", "...\n", "%YAML 1.1\n", "\u{0}", "\u{feff}", "é",
        "<<: ",
        "cores_per_package: 8192\n", "online: 0-8191\n", "segment_size: 64T", "covers: 1023T", "index: 511",
        "start: 64T",
    ]

    private func changed(_ bytes: [UInt8], _ other: [UInt8], _ random: inout Random) -> [UInt8] {
        var bytes = bytes
        for _ in 0...Int.random(in: 0...4, using: &random) {
            let at = Int.random(in: 0...bytes.count, using: &random)
            let end = min(at + Int.random(in: 0...24, using: &random), bytes.count)
            switch Int.random(in: 0...5, using: &random) {
            case 0: bytes.removeSubrange(at..<end)
            case 1: bytes.insert(contentsOf: bytes[at..<end], at: Int.random(in: 0...bytes.count, using: &random))
            case 2: bytes.replaceSubrange(at..<end, with: Self.pieces.randomElement(using: &random)?.utf8 ?? "".utf8)
            case 3: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
            case 4: bytes.insert(contentsOf: Self.pieces.randomElement(using: &random)?.utf8 ?? "".utf8, at: at)
            default: bytes.replaceSubrange(at..., with: other.suffix(max(other.count - at, 0)))
            }
        }
        return bytes
    }

    @Test(.timeLimit(.minutes(2))) func changesOfShippedFiles() throws {
        let given = ProcessInfo.processInfo.environment["RMPFS_TEST_SEED"].flatMap { UInt64($0) }
        let seed = given ?? 20_260_217
        var random = Random(seed: seed)
        let files = try ["venice-1p", "server-6t-nps2", "server-cxl", "server-offline", "laptop"].map(shipped)
        var taken = 0
        for number in 0..<3000 {
            let file = try #require(files.randomElement(using: &random))
            let bytes = changed(file, try #require(files.randomElement(using: &random)), &random)
            do throws(MachineFileError) {
                _ = try MachineFile(bytes: bytes, file: "x")
                taken += 1
            } catch {
                let text = error.description
                let isOneLine = text.hasPrefix("x:") && !text.utf8.contains { $0 < 32 }
                #expect(isOneLine, "seed \(seed), number \(number): \(text)")
            }
        }
        // Both outcomes must occur, or the changes test nothing.
        #expect(taken > 100 && taken < 2900)
    }

    @Test func theEntryForFuzzers() throws {
        #expect(try shipped("laptop").withUnsafeBytes { MachineFile.fuzz($0) })
        #expect(!Array("cpus: 1".utf8).withUnsafeBytes { MachineFile.fuzz($0) })
        #expect(!MachineFile.fuzz(UnsafeRawBufferPointer(start: nil, count: 0)))
    }
}

// SPDX-License-Identifier: Apache-2.0
// A real kernel's answers (Tests/Oracle/golden), for tests that make the same calls without a mount.

import Foundation

/// The recordings of the host with 2,048 regions and 64 CPUs.
enum Recording {
    private static let golden = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Oracle/golden").standardizedFileURL

    /// One recorded call.
    struct Call {
        let operation: String
        let argument: String
        let result: Int?
        let lengths: [Int]
        let data: String?
    }

    /// The bytes of a recorded file.
    static func content(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: golden.appending(path: "content-6.1-n2048/\(name)")))
    }

    /// The lines of a recorded file, each with its newline.
    static func lines(_ name: String) throws -> [[UInt8]] {
        try content(name).split(separator: 0x0A).map { $0 + [0x0A] }
    }

    /// The calls of the case `name`.
    static func calls(_ name: String) throws -> [Call] {
        let text = try String(contentsOf: golden.appending(path: "real-kernel-6.1-n2048.jsonl"), encoding: .utf8)
        for line in text.split(separator: "\n") where line.hasPrefix("{\"case\":\"\(name)\"") {
            let json = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            let operations = json?["ops"] as? [[String: Any]] ?? []
            return operations.map { operation in
                Call(
                    operation: operation["op"] as? String ?? "",
                    argument: operation["arg"] as? String ?? "",
                    result: operation["ret"] as? Int,
                    lengths: expand(operation["rets"] as? String ?? ""),
                    data: operation["data"] as? String
                )
            }
        }
        throw CocoaError(.fileNoSuchFile)
    }

    /// `4068x2,161,0` as 4068, 4068, 161, 0.
    private static func expand(_ text: String) -> [Int] {
        text.split(separator: ",").flatMap { part in
            let factors = part.split(separator: "x").compactMap { Int($0) }
            return [Int](repeating: factors.first ?? -1, count: factors.count > 1 ? factors[1] : 1)
        }
    }
}

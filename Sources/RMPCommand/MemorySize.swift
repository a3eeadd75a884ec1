// SPDX-License-Identifier: Apache-2.0
// Sizes on the command line, read by the same rule as sizes written to files.

import ArgumentParser
import RMPFS

/// A size in bytes: 4096, 64K, 100M, 16G, 2T.
struct MemorySize: ExpressibleByArgument, Hashable, Sendable {
    let bytes: UInt64

    init(bytes: UInt64) {
        self.bytes = bytes
    }

    /// The size of an argument, or what to write instead.
    static func parse(_ argument: String) throws -> MemorySize {
        if let size = MemorySize(argument: argument) { return size }
        for ending in ["iB", "ib", "B", "b"] where argument.hasSuffix(ending) {
            let shorter = String(argument.dropLast(ending.count))
            if MemorySize(argument: shorter) != nil { throw ValidationError("write \(shorter)") }
        }
        throw ValidationError("write bytes, or a number with K, M, G or T, such as 64G")
    }

    init?(argument: String) {
        let text = Array(argument.utf8)
        guard !text.contains(0), text.last != UInt8(ascii: "\n"),
            let bytes = text.withUnsafeBytes({ try? StoredText($0).size() })
        else { return nil }
        self.bytes = bytes
    }

    /// In the largest unit that holds it whole.
    var defaultValueDescription: String {
        for (unit, shift) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] as [(String, UInt64)]
        where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }
}

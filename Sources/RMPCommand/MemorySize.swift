// SPDX-License-Identifier: Apache-2.0
// Sizes on the command line, read by the same rule as sizes written to files.

import ArgumentParser
import RMPFS
import RMPModel

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

    /// Why memory that ends here does not consist of whole regions, with what to write instead; nil: it does. RMPOPT
    /// knows no other regions, and physical addresses have at most 52 bits.
    var endOfRegionsProblem: String? {
        let unit = Granularity.region
        if bytes > 1 << 52 { return "physical addresses end at 4096T. Write that or less" }
        if bytes > 0 && bytes.isMultiple(of: unit) { return nil }
        let below = bytes / unit
        return "RMPOPT's regions are whole gigabytes. Write \(below > 0 ? "\(below)G or " : "")\(below + 1)G"
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

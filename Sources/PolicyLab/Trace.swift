// SPDX-License-Identifier: Apache-2.0
// Reads a trace of guests: CSV with a header, columns in any order, and an error with its line for every bad row.

import MachineFile

/// Why a trace cannot be used.
public struct TraceError: Error, Sendable, Hashable, CustomStringConvertible {
    /// `FILE:LINE: what is wrong; what to write instead`.
    public let description: String
}

/// A trace of guests.
///
/// Source of the form: RFC 4180. Quoted fields, LF or CR LF, a byte order mark and empty lines at the end are taken.
public enum Trace {
    /// The largest trace, in bytes.
    public static let largest = 1 << 30
    private static let known = [
        "arrival_s", "memory_mib", "memory_bytes", "lifetime_s", "vm", "tenant", "vcpus", "snp", "node",
    ]

    /// Reads a trace.
    ///
    /// - Parameters:
    ///   - bytes: the file.
    ///   - file: its name, for errors.
    ///   - nodes: the nodes that a guest can ask for.
    /// - Returns: the guests, in order of arrival.
    /// - Throws: `TraceError` for the first bad row.
    public static func read(
        _ bytes: [UInt8],
        file: String,
        nodes: Set<Int> = Set(0...1_023)
    ) throws(TraceError) -> [GuestSpec] {
        var reader = Reader(bytes: bytes, file: file, nodes: nodes)
        return try reader.read()
    }

    private struct Reader {
        let bytes: [UInt8]
        let file: String
        let nodes: Set<Int>
        var at = 0
        var line = 1
        /// The columns of the header, by name.
        var columns: [String: Int] = [:]
        /// Tenants by their names, numbered as they come.
        var tenants: [[UInt8]: Int] = [:]

        init(bytes: [UInt8], file: String, nodes: Set<Int>) {
            self.bytes = bytes
            self.file = file
            self.nodes = nodes
            if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        }

        func wrong(_ text: String, line: Int? = nil) -> TraceError {
            TraceError(description: "\(file):\(line ?? self.line): \(text)")
        }

        mutating func read() throws(TraceError) -> [GuestSpec] {
            guard let header = try record() else {
                throw wrong("the trace is empty; begin with a line of column names")
            }
            for (index, field) in header.enumerated() {
                let name = String(decoding: field, as: UTF8.self)
                guard Trace.known.contains(name) else {
                    throw wrong("there is no column '\(shown(name))'; \(Trace.remedy(for: name))", line: 1)
                }
                if columns[name] != nil { throw wrong("the column \(name) appears twice; remove one", line: 1) }
                columns[name] = index
            }
            for name in ["arrival_s", "lifetime_s"] where columns[name] == nil {
                throw wrong(
                    "the column \(name) is missing; add it (arrival_s, memory_mib, lifetime_s are needed)",
                    line: 1
                )
            }
            if (columns["memory_mib"] == nil) == (columns["memory_bytes"] == nil) {
                throw wrong("give one of the columns memory_mib and memory_bytes", line: 1)
            }
            var guests: [GuestSpec] = []
            while true {
                let start = line
                guard let fields = try record() else { break }
                if fields.count == 1 && fields[0].isEmpty {
                    if at == bytes.count { break }
                    throw wrong("the line is empty; remove it", line: start)
                }
                guard fields.count == header.count else {
                    throw wrong(
                        "\(fields.count) fields; the header has \(header.count): separate them by commas, and leave "
                            + "one empty that has no value",
                        line: start
                    )
                }
                guests.append(try guest(fields, start))
            }
            if guests.isEmpty { throw wrong("there are no guests; add a line for each") }
            // Equal arrivals stay in the order of the file.
            return guests.enumerated().sorted { ($0.element.arrival, $0.offset) < ($1.element.arrival, $1.offset) }
                .map(\.element)
        }

        mutating func guest(_ fields: [ArraySlice<UInt8>], _ line: Int) throws(TraceError) -> GuestSpec {
            func field(_ name: String) -> ArraySlice<UInt8>? { columns[name].map { fields[$0] } }
            func bad(_ name: String, _ text: String) -> TraceError {
                let value = shown(String(decoding: field(name) ?? [], as: UTF8.self))
                return wrong("\(name): '\(value)' is not valid; \(text)", line: line)
            }
            func seconds(_ name: String) throws(TraceError) -> UInt64? {
                guard let text = field(name), !text.isEmpty else { return nil }
                guard let value = Trace.nanoseconds(text) else {
                    throw bad(name, "give seconds from 0 to 3153600000, with at most 9 decimals")
                }
                return value
            }
            func integer(_ name: String, _ limits: ClosedRange<Int>) throws(TraceError) -> Int? {
                guard let text = field(name), !text.isEmpty else { return nil }
                guard let value = Int(String(decoding: text, as: UTF8.self)), limits.contains(value) else {
                    let between = limits.count == 2 ? "or" : "to"
                    throw bad(name, "give \(limits.lowerBound) \(between) \(limits.upperBound)")
                }
                return value
            }
            guard let arrival = try seconds("arrival_s") else { throw bad("arrival_s", "give seconds") }
            let pages: Int
            if columns["memory_mib"] != nil {
                guard let mib = try integer("memory_mib", 1...(1 << 26)) else { throw bad("memory_mib", "give MiB") }
                pages = mib << 8
            } else {
                guard let bytes = try integer("memory_bytes", 1...(1 << 46)) else {
                    throw bad("memory_bytes", "give bytes")
                }
                pages = (bytes + 4_095) >> 12
            }
            let life = try seconds("lifetime_s")
            if life == 0 { throw bad("lifetime_s", "give more than 0, or nothing for a guest that runs to the end") }
            let snp = try integer("snp", 0...1)
            let node = try integer("node", 0...1_023)
            if let node, !nodes.contains(node) {
                let known = nodes.sorted().map { String($0) }.joined(separator: ", ")
                throw bad("node", "the host has memory on \(nodes.count == 1 ? "node" : "nodes") \(known)")
            }
            let name = Array(field("tenant") ?? [])
            let tenant: Int
            if name.isEmpty {
                // A guest without a tenant is one of its own.
                tenant = -line
            } else {
                tenant = tenants[name] ?? tenants.count
                tenants[name] = tenant
            }
            return GuestSpec(
                arrival: arrival,
                lifetime: life,
                pages: pages,
                isSNP: snp.map { $0 == 1 },
                vcpus: try integer("vcpus", 1...4_096) ?? 1,
                tenant: tenant,
                node: node
            )
        }

        /// The fields of the next line; nil at the end. Quoted fields lose their quotes.
        mutating func record() throws(TraceError) -> [ArraySlice<UInt8>]? {
            if at >= bytes.count { return nil }
            var fields: [ArraySlice<UInt8>] = []
            while true {
                if at < bytes.count && bytes[at] == UInt8(ascii: "\"") {
                    fields.append(try quoted())
                } else {
                    let start = at
                    while at < bytes.count, bytes[at] != UInt8(ascii: ","), bytes[at] != 0x0A {
                        if bytes[at] == UInt8(ascii: "\"") {
                            throw wrong("a quotation mark in an unquoted field; quote the whole field")
                        }
                        at += 1
                    }
                    var end = at
                    if end > start, bytes[end - 1] == 0x0D, end == bytes.count || bytes[end] == 0x0A { end -= 1 }
                    fields.append(bytes[start..<end])
                }
                if at >= bytes.count { return fields }
                if bytes[at] == 0x0D && at + 1 < bytes.count && bytes[at + 1] == 0x0A { at += 1 }
                let byte = bytes[at]
                at += 1
                if byte == 0x0A {
                    line += 1
                    return fields
                }
                if byte != UInt8(ascii: ",") {
                    throw wrong("text after a quoted field; give a comma or the line's end")
                }
                if at == bytes.count {
                    fields.append([])
                    return fields
                }
            }
        }

        private mutating func quoted() throws(TraceError) -> ArraySlice<UInt8> {
            let start = line
            var text: [UInt8] = []
            at += 1
            while at < bytes.count {
                let byte = bytes[at]
                at += 1
                if byte == UInt8(ascii: "\"") {
                    if at < bytes.count && bytes[at] == UInt8(ascii: "\"") {
                        text.append(byte)
                        at += 1
                        continue
                    }
                    return text[...]
                }
                if byte == 0x0A { line += 1 }
                text.append(byte)
            }
            throw wrong("a quoted field does not end; close it with a quotation mark", line: start)
        }
    }

    /// What to do about a name that no column has.
    private static func remedy(for name: String) -> String {
        if name.contains("\0") { return "save the file as UTF-8" }
        if name.contains(";") || name.contains("\t") { return "separate columns by commas" }
        if let near = Spelling.nearest(to: name, among: known) { return "did you mean \(near)?" }
        return "known are \(known.joined(separator: ", "))"
    }

    /// FNV-1a, 64 bits: it tells traces apart, and guards against nobody.
    static func checksum(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// Seconds with up to nine decimals, in ns; nil for any other text, and for more than a century.
    static func nanoseconds(_ text: ArraySlice<UInt8>) -> UInt64? {
        var (value, decimals, digits) = (UInt64(0), -1, 0)
        for byte in text {
            if byte == UInt8(ascii: ".") && decimals < 0 {
                decimals = 0
                continue
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), decimals < 9, digits < 19 else { return nil }
            value = value * 10 + UInt64(byte - UInt8(ascii: "0"))
            digits += 1
            if decimals >= 0 { decimals += 1 }
        }
        if digits == 0 || decimals == 0 { return nil }
        for _ in max(decimals, 0)..<9 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            value = product
        }
        return value <= 3_153_600_000_000_000_000 ? value : nil
    }
}

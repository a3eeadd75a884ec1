// SPDX-License-Identifier: Apache-2.0
// A recording that is read: its header, and step by step what was asked of the machine, when, and what it answered.

public import RMPModel

/// What a line says.
public enum RecordedStep: Sendable {
    /// A command at a virtual time, and its answer.
    case command(Command, answer: String?)
    /// A reader of the kernel's table.
    case report
    /// The end, with the checksum of the machine.
    case end(digest: UInt64)
}

/// The text of a recording, plain or in gzip form.
public struct Recording: Sendable {
    /// The version of the form.
    public static let version: UInt64 = 2

    /// The first line.
    public let header: Fields
    private var rest: ArraySlice<UInt8>
    /// When the last step was, in ns.
    private var time: UInt64
    /// The number of the line that was read last, from 1.
    public private(set) var line = 1

    /// - Throws: `RecordingError` if this is not a recording, or one of another version.
    public init(_ bytes: [UInt8]) throws(RecordingError) {
        rest = (Gzip.isOne(bytes) ? try Gzip.text(of: bytes) : bytes)[...]
        guard let first = Self.line(&rest) else {
            throw RecordingError("not a recording: it has no whole line. rmpfs mount --record makes one")
        }
        do throws(RecordingError) {
            header = try RecordingLine.fields(first)
            guard try header.text("rmpfs") == "recording" else { throw RecordingError("") }
        } catch {
            throw RecordingError("not a recording: its first line is not that of rmpfs mount --record")
        }
        let version = try header.number("version")
        guard version == Self.version else {
            let remedy = "Take the one that recorded it"
            throw RecordingError("its form is version \(version); this rmpfs reads version \(Self.version). \(remedy)")
        }
        time = try header.number("start")
    }

    /// Whether a file looks like a recording; ``init(_:)`` decides.
    public static func isOne(_ bytes: [UInt8]) -> Bool { bytes.first == UInt8(ascii: "{") || Gzip.isOne(bytes) }

    /// A whole line; nil at the end, or where the rest was cut off.
    private static func line(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let end = rest.firstIndex(of: 0x0A) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return rest[rest.startIndex..<end]
    }

    /// The next step and its virtual time in ns; nil behind the last whole line.
    /// - Throws: `RecordingError` with the number of the line.
    public mutating func next() throws(RecordingError) -> (time: UInt64, step: RecordedStep)? {
        guard let text = Self.line(&rest) else { return nil }
        line += 1
        do throws(RecordingError) {
            let fields = try RecordingLine.fields(text)
            let (next, overflow) = time.addingReportingOverflow(try fields.number("dt"))
            if overflow { throw RecordingError("\"dt\" is too large") }
            time = next
            switch try fields.text("do") {
            case "report": return (time, .report)
            case "end":
                guard let digest = UInt64(try fields.text("digest"), radix: 16) else {
                    throw RecordingError("\"digest\" is not a hexadecimal number")
                }
                return (time, .end(digest: digest))
            default:
                let answer = fields.has("is") ? try fields.text("is") : nil
                return (time, .command(try Command(fields), answer: answer))
            }
        } catch {
            throw RecordingError(error.description, line: line)
        }
    }
}

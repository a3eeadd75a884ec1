// SPDX-License-Identifier: Apache-2.0
// Text in gzip form and back: members (RFC 1952) that each stand for themselves, one behind the other, as gzip(1) and
// zcat(1) read them.

import CZlib

enum Gzip {
    /// The most text that is read: a file of some MB can claim to hold any amount.
    static let limit = 1 << 30

    /// Whether a file begins as a member does.
    static func isOne(_ bytes: [UInt8]) -> Bool { bytes.starts(with: [0x1F, 0x8B]) }

    /// A member with this text; nil if there is no memory for it.
    static func member(_ text: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        guard rmpfs_deflate_init(&stream) == Z_OK else { return nil }
        defer { deflateEnd(&stream) }
        var member = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(text.count))))
        let isWhole = text.withUnsafeBufferPointer { text in
            member.withUnsafeMutableBufferPointer { member in
                // zlib only reads there; its headers are older than const.
                stream.next_in = UnsafeMutablePointer(mutating: text.baseAddress)
                stream.avail_in = UInt32(text.count)
                stream.next_out = member.baseAddress
                stream.avail_out = UInt32(member.count)
                return deflate(&stream, Z_FINISH) == Z_STREAM_END
            }
        }
        guard isWhole else { return nil }
        member.removeLast(Int(stream.avail_out))
        return member
    }

    /// The text of all members; of one that was cut off, what can be told.
    /// - Throws: `RecordingError` if the bytes are something else, or more than ``limit``.
    static func text(of members: [UInt8]) throws(RecordingError) -> [UInt8] {
        var stream = z_stream()
        guard rmpfs_inflate_init(&stream) == Z_OK else { throw RecordingError("no memory to read it") }
        defer { inflateEnd(&stream) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        var place = 0
        while place < members.count {
            let count = min(members.count - place, Int(Int32.max))
            let status = members[place..<(place + count)].withUnsafeBufferPointer { bytes in
                piece.withUnsafeMutableBufferPointer { piece in
                    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress)
                    stream.avail_in = UInt32(count)
                    stream.next_out = piece.baseAddress
                    stream.avail_out = UInt32(piece.count)
                    return inflate(&stream, Z_NO_FLUSH)
                }
            }
            guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
                throw RecordingError("its gzip form is damaged, \(place) bytes from its beginning or a little later")
            }
            place += count - Int(stream.avail_in)
            text += piece[..<(piece.count - Int(stream.avail_out))]
            if text.count > limit { throw RecordingError("it holds more than \(limit) bytes of text") }
            if status == Z_STREAM_END { inflateReset(&stream) }
        }
        return text
    }
}

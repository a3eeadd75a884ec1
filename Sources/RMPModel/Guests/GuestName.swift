// SPDX-License-Identifier: Apache-2.0
// A guest's name: bytes, as all names are in Linux, and text where it is written down. Names that are not UTF-8 stay as
// they are; a `String` would replace what it cannot decode.

/// A guest's name: 1 ... 255 bytes without NUL and `/`. A string literal is one: `"web"`, `"web \(number)"`.
///
/// Whether the bytes make a name is checked by ``Command/createGuest(name:)``, which refuses those that do not.
public struct GuestName: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible {
    /// The name as bytes.
    public let bytes: [UInt8]

    /// The UTF-8 of a text.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// Any bytes, in no particular encoding.
    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The name as a literal.
    public init(stringLiteral text: String) { self.init(text) }

    /// The name as text, with the replacement character for what is not UTF-8.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

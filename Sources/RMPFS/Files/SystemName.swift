// SPDX-License-Identifier: Apache-2.0
// The system's names (paths, arguments, the environment) are bytes and need not be UTF-8, but a String is text. This
// maps each name to a String from which all its bytes can be recovered.

extension String {
    /// The text of a name: valid UTF-8 as it is, and a private-use character, U+10FF80 to U+10FFFF, for each byte that
    /// is not part of a character, or is part of one of these private-use characters. No two names have the same text.
    public init(systemBytes bytes: some Collection<UInt8>) {
        if let text = String(validating: bytes, as: UTF8.self), !text.mayStandForBytes {
            self = text
            return
        }
        var text = UnicodeScalarView()
        var parser = Unicode.UTF8.ForwardParser()
        var input = bytes.makeIterator()
        var rest = bytes[...]
        loop: while true {
            let (count, whole): (Int, Unicode.Scalar?)
            switch parser.parseScalar(from: &input) {
            case .valid(let units): (count, whole) = (units.count, Unicode.UTF8.decode(units))
            case .error(let length): (count, whole) = (length, nil)
            case .emptyInput: break loop
            }
            if let whole, !Self.standsForByte(whole) {
                text.append(whole)
            } else {
                for byte in rest.prefix(count) {
                    if let scalar = Unicode.Scalar(Self.firstOfBytes + UInt32(byte)) { text.append(scalar) }
                }
            }
            rest = rest.dropFirst(count)
        }
        self = String(text)
    }

    /// The text of a NUL-terminated name.
    public init(systemName name: UnsafePointer<CChar>) {
        var end = name
        while end.pointee != 0 { end += 1 }
        let bytes = UnsafeBufferPointer(start: name, count: end - name)
        self.init(systemBytes: bytes.lazy.map { UInt8(bitPattern: $0) })
    }

    /// The bytes of the name that this text represents.
    public var systemBytes: [UInt8] {
        if !mayStandForBytes { return Array(utf8) }
        return unicodeScalars.flatMap { scalar in
            Self.standsForByte(scalar) ? [UInt8(truncatingIfNeeded: scalar.value)] : Array(String(scalar).utf8)
        }
    }

    /// The name for the C library, NUL-terminated.
    public var systemName: [CChar] { systemBytes.map { CChar(bitPattern: $0) } + [0] }

    /// The base to which a byte is added. Only bytes of 128 and more can be outside of a character.
    private static let firstOfBytes: UInt32 = 0x10FF00

    private static func standsForByte(_ scalar: Unicode.Scalar) -> Bool { scalar.value >= firstOfBytes + 0x80 }

    /// Whether it contains a lead byte of plane 16.
    private var mayStandForBytes: Bool { utf8.contains(0xF4) }
}

// SPDX-License-Identifier: Apache-2.0
// What the host of `rmpfs run` reports about the command to the process in front of it, one byte per notice.

import Glibc

/// Something that happened to the command.
public enum CommandNotice: Sendable, Hashable {
    /// A signal ended it.
    case ended(by: Int32)
    /// A signal stopped it, such as that of Ctrl-Z.
    case stopped(by: Int32)

    private static let stopMark: UInt8 = 0x80

    /// The next notice on a line; nil if none has come.
    public static func next(from line: Int32) -> CommandNotice? {
        var byte: UInt8 = 0
        return recv(line, &byte, 1, Int32(MSG_DONTWAIT)) == 1 ? CommandNotice(byte) : nil
    }

    /// Writes it to a line; does nothing if nobody reads there any more.
    func tell(on line: Int32) {
        var byte = byte
        _ = write(line, &byte, 1)
    }

    private init(_ byte: UInt8) {
        let signal = Int32(byte & ~Self.stopMark)
        self = byte & Self.stopMark == 0 ? .ended(by: signal) : .stopped(by: signal)
    }

    private var byte: UInt8 {
        switch self {
        case .ended(let signal): UInt8(truncatingIfNeeded: signal) & ~Self.stopMark
        case .stopped(let signal): UInt8(truncatingIfNeeded: signal) | Self.stopMark
        }
    }
}

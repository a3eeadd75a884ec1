// SPDX-License-Identifier: Apache-2.0
// A register's value as an argument. rdmsr(1) prints hexadecimal digits alone, which must not be read as decimal.

import ArgumentParser

/// A register's value: hexadecimal behind 0x, or 0.
struct RegisterValue: Hashable, Sendable {
    let value: UInt64

    init?(_ text: some StringProtocol) {
        if text == "0" {
            value = 0
            return
        }
        guard text.hasPrefix("0x") || text.hasPrefix("0X"), let value = UInt64(text.dropFirst(2), radix: 16) else {
            return nil
        }
        self.value = value
    }

    /// The value of an argument, or what to write instead.
    static func parse(_ argument: String) throws -> RegisterValue {
        guard let value = RegisterValue(argument) else {
            throw ValidationError("write the register in hexadecimal with 0x, as rdmsr -c prints it")
        }
        return value
    }
}

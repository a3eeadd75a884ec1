// SPDX-License-Identifier: Apache-2.0
// The text of our debug/rmpopt/log: the kernel's lines as dmesg prints them.

import RMPModel

/// The lines of `log`: `[%5lu.%06lu] ` and the text; before it `<%u>`, the level, if the machine shows it. Debug lines
/// are left out: dmesg only has them if dynamic debug is switched on.
enum LogReport {
    static func write(_ machine: borrowing Machine, into text: inout TextBuffer) {
        let view = machine.configuration.boot.logView
        for line in machine.logLines where line.level != .debug || view != .plain {
            if view == .raw {
                text.append("<")
                text.append(decimal: UInt64(line.level.rawValue))
                text.append(">")
            }
            text.append("[")
            text.append(decimal: line.time / 1_000_000_000, width: 5)
            text.append(".")
            let fraction = line.time % 1_000_000_000 / 1_000
            var unit: UInt64 = 100_000
            while unit > 0 {
                text.append(decimal: fraction / unit % 10)
                unit /= 10
            }
            text.append("] ")
            text.append(Array(line.text.utf8))
            text.append(0x0A)
        }
    }
}

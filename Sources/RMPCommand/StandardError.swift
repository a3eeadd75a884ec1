// SPDX-License-Identifier: Apache-2.0
// Messages to people, unbuffered.

import Glibc
import RMPFS

enum StandardError {
    /// Writes a text, with control characters escaped. Failures are ignored.
    static func write(_ text: String) {
        let bytes = Printable.text(text, keeping: ["\n", "\t"]).systemBytes
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}

// SPDX-License-Identifier: Apache-2.0
// This process's arguments as the kernel passed them: bytes, which Swift strings would not preserve.

import Glibc

/// The arguments of this process, to be passed on.
enum ArgumentVector {
    /// The last words, as execve(2) takes them.
    static func last(_ count: Int) -> UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
        CommandLine.unsafeArgv + max(0, Int(CommandLine.argc) - count)
    }

    /// Calls `body` with all arguments and one more after the subcommand. At the end it would belong to the command.
    static func with<Result>(
        option: String,
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        let words = Array(UnsafeBufferPointer(start: CommandLine.unsafeArgv, count: Int(CommandLine.argc)))
        // Under its own name, whatever it was called by.
        let (name, own) = (strdup("rmpfs"), strdup(option))
        defer {
            free(name)
            free(own)
        }
        var vector = [name] + words.dropFirst().prefix(1) + [own] + words.dropFirst(2) + [nil]
        return vector.withUnsafeMutableBufferPointer { vector in
            // Never empty: the nil at the end.
            vector.baseAddress.map(body) ?? body(CommandLine.unsafeArgv)
        }
    }
}

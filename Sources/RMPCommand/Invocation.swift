// SPDX-License-Identifier: Apache-2.0
// Who called: a person or mount(8), which has its own arguments and exit statuses.

import ArgumentParser
import Glibc
import RMPFS

/// The call that started this process.
enum Invocation {
    /// The arguments, translated if mount(8) called.
    static let arguments: [String] = (try? translated) ?? nil ?? MountHelper.expand(words)

    /// The call byte for byte, the program's name included.
    private static let call = (0..<Int(CommandLine.argc)).compactMap {
        CommandLine.unsafeArgv[$0].map { String(systemName: $0) }
    }
    private static let words = Array(call.dropFirst())

    private static var translated: [String]? {
        get throws(MountHelper.Refusal) {
            try MountHelper.translate(
                program: call.first ?? "",
                words: words,
                commands: CommandName.all
            )
        }
    }

    /// The exit statuses of mount(8): incorrect invocation, and mount failure.
    private enum MountStatus {
        static let usage: Int32 = 1
        static let failure: Int32 = 32
    }

    /// Runs as mount(8)'s helper if it was mount(8) that called.
    /// - Returns: only if mount(8) did not call.
    static func runAsMountHelper() {
        do {
            guard try translated != nil else { return }
            var command = try RMPFSCommand.parseAsRoot(arguments)
            try command.run()
            exit(0)
        } catch {
            let code = RMPFSCommand.exitCode(for: error)
            let message = RMPFSCommand.message(for: error)
            if !message.isEmpty { StandardError.write("rmpfs: \(message)\n") }
            let isUsage = code == .validationFailure || error is MountHelper.Refusal
            exit(code == .success ? 0 : isUsage ? MountStatus.usage : MountStatus.failure)
        }
    }
}

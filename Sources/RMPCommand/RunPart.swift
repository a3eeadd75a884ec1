// SPDX-License-Identifier: Apache-2.0
// The role of a process of `rmpfs run`, passed as a hidden option by the process in front.

import ArgumentParser

/// One of the two processes behind the one in front.
enum RunPart: ExpressibleByArgument {
    /// It serves the host; with the number of its line.
    case host(line: Int32)
    /// It runs the command; with the numbers of its line to the process in front, and of that to the host.
    case command(line: Int32, host: Int32)

    /// The hidden option.
    static let option = "private-part"

    init?(argument: String) {
        let words = argument.split(separator: ":", omittingEmptySubsequences: false)
        let numbers = words.dropFirst().compactMap { Int32($0) }
        switch (words.first, numbers.count, words.count) {
        case ("host", 1, 2): self = .host(line: numbers[0])
        case ("command", 2, 3): self = .command(line: numbers[0], host: numbers[1])
        default: return nil
        }
    }

    /// The option as a word of a command line.
    var word: String {
        switch self {
        case .host(let line): "--\(Self.option)=host:\(line)"
        case .command(let line, let host): "--\(Self.option)=command:\(line):\(host)"
        }
    }

    /// The descriptors that it is given.
    var descriptors: [Int32] {
        switch self {
        case .host(let line): [line]
        case .command(let line, let host): [line, host]
        }
    }
}

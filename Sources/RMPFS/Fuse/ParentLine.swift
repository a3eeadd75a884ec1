// SPDX-License-Identifier: Apache-2.0
// A line between this program and its own second process, with a greeting on it: the hidden options of such processes
// act on namespaces and descriptors, which are theirs only if their parent made them.

import Glibc

/// A socket pair between a process and a child that is part of the same program.
public enum ParentLine {
    /// Makes the two ends, both close-on-exec, with the greeting already sent to the child's end.
    public static func make() throws(Errno) -> (parent: Int32, child: Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw .current }
        let text = greeting(from: getpid())
        _ = send(ends[0], text, text.count, Int32(MSG_NOSIGNAL))
        return (ends[0], ends[1])
    }

    /// Whether a descriptor is the child's end of a line that this process's parent made. Consumes the greeting, and
    /// nothing from any other descriptor.
    public static func isHere(_ descriptor: Int32) -> Bool {
        let parent = getppid()
        // The parent of the first process of a process namespace has no PID in there.
        let isFirst = parent == 0 && getpid() == 1
        var found = [UInt8](repeating: 0, count: 64)
        let count = recv(descriptor, &found, found.count, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        guard count > 0, let end = found[..<count].firstIndex(of: UInt8(ascii: "\n")) else { return false }
        let text = Array(found[...end])
        guard text.starts(with: prefix),
            let number = pid_t(String(decoding: text[prefix.count..<end], as: UTF8.self)),
            isFirst || number == parent
        else { return false }
        return recv(descriptor, &found, text.count, Int32(MSG_DONTWAIT)) == text.count
    }

    private static let prefix = Array("rmpfs ".utf8)

    private static func greeting(from process: pid_t) -> [UInt8] { prefix + Array("\(process)\n".utf8) }
}

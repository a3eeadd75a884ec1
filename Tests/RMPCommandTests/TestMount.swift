// SPDX-License-Identifier: Apache-2.0
// A mount for one test, which never outlives the test: ended by SIGTERM, then by SIGKILL and a lazy unmount; a watchdog
// kills it if a test hangs on it.

import Foundation
import Glibc
import Testing

/// Whether this system lets us mount at all.
enum Mounting {
    /// Why not; nil if it does.
    static let obstacle: String? = {
        let device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        guard device >= 0 else { return "/dev/fuse cannot be opened" }
        close(device)
        guard geteuid() == 0 else { return "mount tests run as root" }
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("CapEff:") } ?? ""
        let capabilities = UInt64(line.dropFirst(7).trimmingCharacters(in: .whitespaces), radix: 16) ?? 0
        let mayMount = capabilities >> 21 & 1 == 1  // CAP_SYS_ADMIN
        return mayMount ? nil : "this container may not mount (no CAP_SYS_ADMIN)"
    }()

    static var isPossible: Bool { obstacle == nil }
    static var reason: Comment { Comment(rawValue: obstacle ?? "mounting works here") }
}

/// An empty folder to mount on, removed after the test.
final class MountFolder {
    let path: String

    init(_ name: String = "mnt") throws {
        let base = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
            .appending(path: "rmpfs-test-\(UUID().uuidString.prefix(8))-\(name)")
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: false)
        path = base.path
    }

    var isMounted: Bool { mounts > 0 }

    /// How many rmpfs mounts are stacked here.
    var mounts: Int {
        let table = (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)) ?? ""
        let escaped = path.replacingOccurrences(of: "\\", with: "\\134").replacingOccurrences(of: " ", with: "\\040")
        return table.split(separator: "\n").count {
            $0.split(separator: " ")[4] == escaped && $0.contains(" fuse.rmpfs ")
        }
    }

    /// The processes that serve this folder in the background: rmpfs with this path as an argument.
    var servers: [pid_t] {
        let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
        return numbers.filter { number in
            guard let line = try? Data(contentsOf: URL(filePath: "/proc/\(number)/cmdline")) else { return false }
            let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            return words.first == "rmpfs" && words.contains(path)
        }
    }

    /// Ends the servers of the folder, unmounts everything and removes it.
    func clean() {
        for server in servers { kill(server, SIGTERM) }
        if !eventually(within: 5, { servers.isEmpty }) {
            Issue.record("an rmpfs in the background did not end on SIGTERM")
            for server in servers { kill(server, SIGKILL) }
        }
        for _ in 0..<16 where isMounted { umount2(path, Int32(MNT_DETACH)) }
        rmdir(path)
    }
}

/// An rmpfs in the foreground, mounted on its own folder.
final class TestMount {
    let folder: MountFolder
    let program: Program
    private let watchdog: any DispatchSourceTimer

    /// Mounts, and returns when it answers.
    init(
        _ options: [String] = [],
        in folder: MountFolder? = nil,
        blocking: [Int32] = [],
        seconds: Int = 60
    ) throws {
        let folder = try folder ?? MountFolder()
        self.folder = folder
        program = try Program(["mount", "-f"] + options + [folder.path], blocking: blocking)
        watchdog = DispatchSource.makeTimerSource(queue: .global())
        let (process, path) = (program.process, folder.path)
        watchdog.schedule(deadline: .now() + .seconds(seconds))
        watchdog.setEventHandler {
            kill(process, SIGKILL)
            umount2(path, Int32(MNT_DETACH))
        }
        watchdog.resume()
        // The folder alone proves nothing: the kernel may answer from its caches for a dead mount.
        let answers = eventually(within: 20) { program.said.contains("mounted at") || program.hasEnded(within: 0) }
        guard answers, !program.hasEnded(within: 0) else {
            let said = end().errors
            throw NotMounted(errors: said)
        }
    }

    struct NotMounted: Error {
        let errors: String
    }

    func path(_ name: String) -> String { folder.path + "/" + name }

    /// Its line of /proc/self/mountinfo.
    func line() throws -> String {
        let table = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
        return String(try #require(table.split(separator: "\n").first { $0.contains(" \(folder.path) ") }))
    }

    /// Ends it by SIGTERM.
    @discardableResult
    func end() -> Program.Ending {
        program.signal(SIGTERM)
        let ending = program.wait(seconds: 10)
        watchdog.cancel()
        folder.clean()
        return ending
    }
}

/// Mounts, runs the test and unmounts, whatever the test does.
func withMount(_ options: [String] = [], _ body: (TestMount) throws -> Void) throws {
    let mount = try TestMount(options)
    defer {
        let ending = mount.end()
        #expect(ending.status == 0, "rmpfs said: \(ending.errors)")
    }
    try body(mount)
}

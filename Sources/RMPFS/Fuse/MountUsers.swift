// SPDX-License-Identifier: Apache-2.0
// Who uses a mount, as far as /proc shows: readers that wait for events do not keep it from being unmounted.

import Glibc

enum MountUsers {
    /// The name of the files whose readers end with the mount.
    private static let stream = "/events_pipe"

    /// Whether there are users, and all that can be seen only read a stream. Asks no file system but proc, so a mount
    /// that hangs makes no difference.
    static func onlyReadStreams(of mount: MountTableEntry) -> Bool {
        var readers = 0
        let names = SystemFiles.names(in: "/proc") ?? []
        for process in names.filter({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) {
            let folder = "/proc/\(process)"
            for link in ["cwd", "root", "exe"] where isBelow(target(of: "\(folder)/\(link)"), mount) { return false }
            for number in SystemFiles.names(in: "\(folder)/fd") ?? [] {
                let info = SystemFiles.contents(of: "\(folder)/fdinfo/\(number)") ?? []
                guard isOn(mount, info) else { continue }
                guard target(of: "\(folder)/fd/\(number)")?.hasSuffix(stream) == true else { return false }
                readers += 1
            }
        }
        return readers > 0
    }

    /// The line `mnt_id:` of proc_pid_fdinfo(5).
    private static func isOn(_ mount: MountTableEntry, _ info: [UInt8]) -> Bool {
        info.split(separator: UInt8(ascii: "\n")).contains { line in
            let words = line.split { $0 == 0x20 || $0 == 0x09 }
            return words.count == 2 && words[0].elementsEqual("mnt_id:".utf8)
                && words[1].elementsEqual(String(mount.id).utf8)
        }
    }

    private static func isBelow(_ path: String?, _ mount: MountTableEntry) -> Bool {
        guard let path else { return false }
        return path == mount.mountPoint || path.hasPrefix(mount.mountPoint + "/")
    }

    private static func target(of link: String) -> String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &bytes, bytes.count)
        return count < 0 ? nil : String(systemBytes: bytes[..<count].map { UInt8(bitPattern: $0) })
    }
}

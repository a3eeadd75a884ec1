// SPDX-License-Identifier: Apache-2.0
// The words of `-o`: which are ours, which are for the kernel, which come from /etc/fstab and can be ignored; all
// others are refused.

import Glibc

/// The options given with `-o`.
public struct MountOptions: Sendable, Hashable {
    /// The owner of the tree's folders and files; nil: the user who mounts.
    public var user: UInt32?
    /// Their group; nil: that of the user who mounts.
    public var group: UInt32?
    /// The mode of `debug/`, like debugfs' own mount option; nil: 0700.
    public var mode: UInt32?
    /// Whether other users have access, as far as the modes allow; nil: only if root mounts.
    public var allowOther: Bool?
    /// Whether the mount point may be non-empty.
    public var nonEmpty = false
    /// Whether getxattr(2) of a POSIX ACL gives the kernel's own EOPNOTSUPP instead of ENODATA, at the cost of one more
    /// request (GETXATTR) for each open with O_TRUNC. Only conformance tests are known to check this.
    public var exact = false
    /// The source that /proc/mounts shows.
    public var source: String?
    /// Words for the kernel's mount flags.
    public var kernelWords: [String] = []

    /// Words with a value for the kernel's security module, unchanged.
    public var securityWords: [String] = []

    /// Whether other users have access.
    var letsOthersIn: Bool { allowOther ?? (geteuid() == 0) }

    /// The flags of mount(2).
    var flags: UInt {
        kernelWords.reduce(UInt(MS_NOSUID | MS_NODEV)) { flags, word in
            guard let (isSet, flag) = Self.kernelFlags[word] else { return flags }
            return isSet ? flags | UInt(flag) : flags & ~UInt(flag)
        }
    }

    private static let kernelFlags: [String: (Bool, Int)] = [
        "ro": (true, MS_RDONLY), "rw": (false, MS_RDONLY), "noexec": (true, MS_NOEXEC), "exec": (false, MS_NOEXEC),
        "noatime": (true, MS_NOATIME), "atime": (false, MS_NOATIME), "sync": (true, MS_SYNCHRONOUS),
        "async": (false, MS_SYNCHRONOUS), "dirsync": (true, MS_DIRSYNC),
    ]

    /// No options.
    public init() {}

    /// Why a word of `-o` is refused.
    public struct Refusal: Error, CustomStringConvertible, Hashable {
        /// The word, unchanged.
        public let word: String
        /// What is wrong with it and what to write instead.
        public let description: String

        init(_ word: String, _ reason: String) {
            self.word = word
            description = "mount option '\(word)': \(reason)"
        }
    }

    /// What a word means.
    private enum Meaning {
        case flag(@Sendable (inout MountOptions) -> Void)
        case value(@Sendable (inout MountOptions, String, String) throws(Refusal) -> Void)
        case kernel
        case security
        case ignored
        case refused(String)
    }

    private static let alwaysSafe = "rmpfs is always mounted nosuid,nodev; leave it out"

    /// The known words, besides those of ``foreignPrefixes``.
    private static let meanings: [String: Meaning] = [
        "uid": .value { options, word, text throws(Refusal) in options.user = try number(word, text) },
        "gid": .value { options, word, text throws(Refusal) in options.group = try number(word, text) },
        "mode": .value { options, word, text throws(Refusal) in options.mode = try mode(word, text) },
        "fsname": .value { options, _, text throws(Refusal) in options.source = text },
        "allow_other": .flag { $0.allowOther = true },
        "exact": .flag { $0.exact = true },
        "nonempty": .flag { $0.nonEmpty = true },
        "ro": .kernel, "rw": .kernel, "exec": .kernel, "noexec": .kernel, "atime": .kernel, "noatime": .kernel,
        "sync": .kernel, "async": .kernel, "dirsync": .kernel,
        // SELinux, mount(8): "context=context, fscontext=context, defcontext=context, and rootcontext=context".
        "context": .security, "fscontext": .security, "defcontext": .security, "rootcontext": .security,
        // libfuse and the kernel set these for every rmpfs mount.
        "nosuid": .ignored, "nodev": .ignored, "default_permissions": .ignored,
        // Words meant for mount(8) and systemd.
        "defaults": .ignored, "auto": .ignored, "noauto": .ignored, "nofail": .ignored, "_netdev": .ignored,
        "user": .ignored, "users": .ignored, "nouser": .ignored, "owner": .ignored, "group": .ignored,
        "relatime": .ignored, "norelatime": .ignored, "nodiratime": .ignored, "diratime": .ignored,
        "strictatime": .ignored, "nostrictatime": .ignored, "lazytime": .ignored, "nolazytime": .ignored,
        "iversion": .ignored, "noiversion": .ignored, "mand": .ignored, "nomand": .ignored, "silent": .ignored,
        "loud": .ignored, "symfollow": .ignored, "nosymfollow": .ignored,
        "suid": .refused(alwaysSafe), "dev": .refused(alwaysSafe),
        "remount": .refused("a mount stays as it is; unmount it and mount it anew"),
        "allow_root": .refused("use allow_other; the files' modes decide who gets in"),
        "auto_unmount": .refused("rmpfs unmounts when it ends, and the next mount recovers a dead one"),
    ]

    /// The words with a meaning of their own, for help texts and error messages.
    public static let ownWords = ["allow_other", "exact", "fsname=", "gid=", "mode=", "nonempty", "uid="]

    /// Words, with any value, that mount(8) and others add for themselves.
    private static let foreignPrefixes = ["x-", "X-", "comment=", "user="]

    /// Whether a word, with or without its value, is known here.
    public static func isKnown(_ word: some StringProtocol) -> Bool {
        let name = word.prefix { $0 != "=" }
        return foreignPrefixes.contains { word.hasPrefix($0) } || meanings[String(name)] != nil
    }

    /// Parses a list such as `allow_other,mode=755`; a later word overrides an earlier one.
    public mutating func add(list: String) throws(Refusal) {
        for word in Self.words(of: list) { try add(word: word) }
    }

    /// The words of a list. A comma inside quotation marks, as in SELinux contexts, does not end a word.
    public static func words(of list: String) -> [String] {
        var isQuoted = false
        let words = list.unicodeScalars.split { scalar in
            if scalar == "\"" { isQuoted.toggle() }
            return scalar == "," && !isQuoted
        }
        return words.map { String($0) }
    }

    private mutating func add(word: String) throws(Refusal) {
        if Self.foreignPrefixes.contains(where: { word.hasPrefix($0) }) { return }
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(parts[0])
        let value = parts.count > 1 ? String(parts[1]) : nil
        guard let meaning = Self.meanings[name] else {
            throw Refusal(
                word,
                "unknown; rmpfs knows \(Self.ownWords.joined(separator: ", ")) and the words of mount(8)"
            )
        }
        switch (meaning, value) {
        case (.flag(let set), nil): set(&self)
        case (.value(let set), .some(let text)) where !text.isEmpty: try set(&self, word, text)
        case (.security, .some(let text)) where !text.isEmpty: securityWords.append(word)
        case (.value, _), (.security, _): throw Refusal(word, "needs a value, as in \(name)=...")
        case (.kernel, nil): kernelWords.append(name)
        case (.ignored, nil): break
        case (.refused(let reason), _): throw Refusal(word, reason)
        default: throw Refusal(word, "takes no value")
        }
    }

    private static func number(_ word: String, _ text: String) throws(Refusal) -> UInt32 {
        // 2^32 - 1 is chown's "leave it alone" and no valid id.
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt32(text), number != .max else {
            throw Refusal(word, "not a numeric id from 0 to 4294967294")
        }
        return number
    }

    private static func mode(_ word: String, _ text: String) throws(Refusal) -> UInt32 {
        guard text.utf8.allSatisfy({ (0x30...0x37).contains($0) }), let mode = UInt32(text, radix: 8), mode <= 0o7777
        else {
            throw Refusal(word, "not an octal mode such as 755")
        }
        return mode & 0o777
    }
}

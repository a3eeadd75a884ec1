// SPDX-License-Identifier: Apache-2.0
// The first checks of `rmpfs doctor`: does rmpfs run on this system?

extension Check {
    /// The oldest kernel that rmpfs is meant for: FUSE protocol 7.31, the newest that libfuse 3.10 speaks.
    private static let oldestKernel = (5, 4)

    static let systemChecks = [
        Check(
            "operating-system",
            .system,
            "The system is Linux on x86-64 or arm64.",
            hint: "Run rmpfs on Linux, in a virtual machine if need be; SNP itself needs x86-64."
        ) { host in
            guard let system = host.text("/proc/sys/kernel/ostype") else {
                return .fail("/proc/sys/kernel/ostype cannot be read", hint: "Mount /proc: mount -t proc proc /proc")
            }
            guard system == "Linux" else { return .fail("this is \(system)") }
            let architecture = host.text("/proc/sys/kernel/arch") ?? builtFor
            let isKnown = ["x86_64", "aarch64"].contains(architecture)
            return isKnown ? .pass("Linux on \(architecture)") : .fail("Linux on \(architecture)")
        },
        Check(
            "kernel-version",
            .system,
            "The kernel is 5.4 or newer.",
            hint: "Boot a kernel that is 5.4 or newer.",
            needs: "operating-system"
        ) { host in
            guard let release = host.text("/proc/sys/kernel/osrelease") else {
                return .fail("/proc/sys/kernel/osrelease cannot be read")
            }
            let numbers = release.split { !("0"..."9").contains($0) }.prefix(2).compactMap { Int($0) }
            guard numbers.count == 2 else { return .fail("'\(release)' is not a version") }
            return (numbers[0], numbers[1]) >= oldestKernel ? .pass(release) : .fail("\(release) is too old")
        },
    ]

    #if arch(x86_64)
        private static let builtFor = "x86_64"
    #elseif arch(arm64)
        private static let builtFor = "aarch64"
    #else
        private static let builtFor = "an architecture that rmpfs does not know"
    #endif
}

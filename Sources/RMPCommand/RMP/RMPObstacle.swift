// SPDX-License-Identifier: Apache-2.0
// What keeps a host's RMP from being read, each with its remedy: the same words in `rmpfs rmp` and `rmpfs doctor`.

import Glibc
import RMPFS
import RMPImage

/// An obstacle: what it is, and how to get past it.
struct RMPObstacle: Sendable, Equatable {
    let message: String
    let remedy: String

    static let memoryDevice = "/dev/mem"

    /// SYSCFG says that SNP is off.
    static func snpOff(_ syscfg: UInt64) -> RMPObstacle {
        RMPObstacle(
            message: "SNP is off: SNP_EN is clear in SYSCFG \(Hexadecimal.text(syscfg))",
            remedy: "Enable SEV-SNP in the firmware's setup; load kvm_amd with sev_snp=1 and ccp; iommu must be on."
        )
    }

    /// RMP_BASE is 0.
    static let notReserved = RMPObstacle(
        message: "RMP_BASE is 0: no RMP is reserved",
        remedy: "Let the firmware's setup reserve an RMP that covers all memory."
    )

    /// RMP_END is 0, and the RMP is not segmented.
    static let noEnd = RMPObstacle(
        message: "RMP_END is 0, but RMP_CFG does not say that the RMP is segmented",
        remedy: "Let the firmware's setup reserve an RMP that covers all memory."
    )

    /// A register cannot be read.
    ///
    /// Source: Linux arch/x86/kernel/msr.c, `msr_open()` (CAP_SYS_RAWIO), `msr_read()` (EIO where RDMSR faults).
    static func register(_ name: String, _ error: Errno, on host: Host) -> RMPObstacle {
        switch error {
        case .noSuchFile:
            RMPObstacle(message: "there is no /dev/cpu/0/msr", remedy: "As root: modprobe msr.")
        case .accessDenied:
            RMPObstacle(message: "/dev/cpu/0/msr is closed to this user", remedy: "Run it as root.")
        case .notPermitted: noRawAccess("/dev/cpu/0/msr")
        default:
            RMPObstacle(
                message: "/dev/cpu/0/msr: \(error) at \(name)",
                remedy: "A hypervisor may hide it: look on the host itself."
            )
        }
    }

    /// /dev/mem cannot be opened, or, with an address, read there.
    ///
    /// Source: Linux drivers/char/mem.c: `open_port()` (CAP_SYS_RAWIO, LOCKDOWN_DEV_MEM), `range_is_allowed()` and
    /// `devmem_is_allowed()` (CONFIG_STRICT_DEVMEM, CONFIG_IO_STRICT_DEVMEM).
    static func memory(_ error: Errno, at address: UInt64?, on host: Host) -> RMPObstacle {
        switch (error, address) {
        case (.noSuchFile, _):
            RMPObstacle(
                message: "there is no \(memoryDevice)",
                remedy: "Boot a kernel with CONFIG_DEVMEM=y; in a container: --device \(memoryDevice)."
            )
        case (.accessDenied, nil):
            RMPObstacle(message: "\(memoryDevice) is closed to this user", remedy: "Run it as root.")
        case (.notPermitted, nil):
            if let level = host.lockdown {
                RMPObstacle(
                    message: "the kernel is locked down (\(level)), which closes \(memoryDevice)",
                    remedy: "Boot without lockdown=; with Secure Boot many kernels lock themselves down: turn it off."
                )
            } else {
                noRawAccess(memoryDevice)
            }
        case (.notPermitted, let address?), (.accessDenied, let address?):
            RMPObstacle(
                message: "the kernel keeps \(memoryDevice) closed at \(Hexadecimal.text(address)) (STRICT_DEVMEM)",
                remedy: "Boot with iomem=relaxed. If that does not help, the address is RAM to the kernel: "
                    + "the firmware has not reserved the RMP."
            )
        case (Errno(rawValue: 0), let address?):
            RMPObstacle(
                message: "\(memoryDevice) ends before \(Hexadecimal.text(address))",
                remedy: "Give all of the RMP's memory."
            )
        case (_, let address?):
            RMPObstacle(
                message: "\(memoryDevice): \(error) at \(Hexadecimal.text(address))",
                remedy: "Compare RMP_BASE with /proc/iomem, as root."
            )
        default: RMPObstacle(message: "\(memoryDevice): \(error)", remedy: "Run rmpfs doctor.")
        }
    }

    private static func noRawAccess(_ device: String) -> RMPObstacle {
        RMPObstacle(
            message: "\(device) needs CAP_SYS_RAWIO",
            remedy: "Run it as root; in a container: --cap-add SYS_RAWIO --device \(device)."
        )
    }
}

extension Host {
    /// What keeps memory from being read at an address; nil: nothing.
    func obstacle(readingAt address: UInt64) -> RMPObstacle? {
        let descriptor = openForReading(RMPObstacle.memoryDevice)
        if descriptor < 0 { return .memory(.current, at: nil, on: self) }
        defer { close(descriptor) }
        do throws(MemoryError) {
            _ = try FileMemory(descriptor: descriptor, access: .read, isLive: true).word(at: address)
            return nil
        } catch {
            return .memory(Errno(rawValue: error.number), at: address, on: self)
        }
    }

    /// How far the kernel is locked down; nil: not at all.
    var lockdown: String? {
        // `none [integrity] confidentiality`
        let levels = text("/sys/kernel/security/lockdown")?.split(separator: " ") ?? []
        let level = levels.first { $0.hasPrefix("[") }.map { String($0.dropFirst().dropLast()) }
        return level == "none" ? nil : level
    }

    /// Where RAM ends, from /proc/iomem; nil where it does not tell, as to users who are not root.
    var memoryEnd: UInt64? {
        var end: UInt64 = 0
        for line in lines("/proc/iomem") ?? [] where line.hasSuffix(" : System RAM") {
            let words = line.split { " -:".contains($0) }
            if words.count >= 2, let last = UInt64(words[1], radix: 16), last < .max { end = max(end, last + 1) }
        }
        // To others all addresses are zeros.
        return end > 1 ? end : nil
    }

    /// How many entries of the RST the processor looks at: fewer with NumSegReduction (CPUID Fn8000_0025 EBX).
    var segmentEntries: Int {
        guard let leaf = leaf(0x8000_0025), leaf.ebx >> 10 & 1 == 1 else { return 512 }
        return Int(leaf.ebx & 0x3ff)
    }
}

// SPDX-License-Identifier: Apache-2.0
// The checks of `rmpfs doctor` for the registers that turn SNP, the RMP and RMPOPT on, read through msr(4).

import RMPFS

extension Check {
    /// The registers and their fields (AMD64 APM volume 2, 15.36; RMPOPT_BASE: series v10, patch 2/6).
    private enum Register {
        static let syscfg: UInt32 = 0xC001_0010
        static let rmpBase: UInt32 = 0xC001_0132
        static let rmpEnd: UInt32 = 0xC001_0133
        static let rmpConfiguration: UInt32 = 0xC001_0136
        static let rmpoptBase: UInt32 = 0xC001_0139
        /// Bits 51:13 of RMP_BASE and RMP_END.
        static let addressMask: UInt64 = 0x000F_FFFF_FFFF_E000
    }

    static let rmpChecks = [
        Check(
            "msr-device",
            .rmp,
            "/dev/cpu/0/msr can be read.",
            hint: "As root: modprobe msr.",
            needs: "snp"
        ) { host in
            switch host.register(Register.syscfg) {
            case .success: .pass("registers can be read")
            case .failure(let error): failed(.register("SYSCFG", error, on: host))
            }
        },
        Check(
            "snp-enabled",
            .rmp,
            "SYSCFG[24]: SNP is enabled.",
            hint: "Enable SEV-SNP in the firmware's setup; load kvm_amd with sev_snp=1 and ccp; iommu must be on.",
            needs: "msr-device"
        ) { host in
            found(Register.syscfg, "SYSCFG", of: host) { value in
                value >> 24 & 1 == 1 ? .pass("SNP_EN is set") : failed(.snpOff(value))
            }
        },
        Check(
            "rmp-table",
            .rmp,
            "RMP_BASE and, unless the RMP is segmented, RMP_END: firmware has reserved an RMP.",
            hint: "Let the firmware's setup reserve an RMP that covers all memory.",
            needs: "snp-enabled"
        ) { host in
            found(Register.rmpBase, "RMP_BASE", of: host) { base in
                found(Register.rmpEnd, "RMP_END", of: host) { end in
                    let base = base & Register.addressMask
                    let end = end & Register.addressMask
                    if base == 0 { return failed(.notReserved) }
                    if case .success(let value) = host.register(Register.rmpConfiguration), value & 1 == 1 {
                        return .pass("the RMP's segment table is at \(hexadecimal(base))")
                    }
                    // RMP_END holds the address of the last byte; its bits 12:0 read as ones.
                    guard end > base else { return .fail("RMP_END \(hexadecimal(end)) is not above RMP_BASE") }
                    return .pass("the RMP is at \(hexadecimal(base)) to \(hexadecimal(end | 0x1FFF))")
                }
            }
        },
        Check(
            "rmp-memory",
            .rmp,
            "The RMP can be read in /dev/mem, as rmpfs rmp does.",
            hint: "Nothing else needs it.",
            needs: "rmp-table"
        ) { host in
            let base = (try? host.register(Register.rmpBase).get()) ?? 0
            guard let obstacle = host.obstacle(readingAt: base & Register.addressMask) else {
                return .pass("rmpfs rmp can read the RMP")
            }
            // Closed memory is how most hosts are meant to be.
            return .notApplicable("rmpfs rmp cannot read the RMP: \(obstacle.message). \(obstacle.remedy)")
        },
        Check(
            "rmp-segmented",
            .rmp,
            "RMP_CFG[0]: the RMP is segmented, which RMPOPT needs.",
            hint: "Enable the segmented RMP in the firmware's setup.",
            needs: "rmp-table"
        ) { host in
            if let leaf = host.leaf(0x8000_001F), leaf.eax >> 23 & 1 == 0 {
                return .notApplicable("the processor does not have the segmented RMP")
            }
            return found(Register.rmpConfiguration, "RMP_CFG", of: host) { value in
                value & 1 == 1
                    ? .pass("segments of 2^\(value >> 8 & 0x3F) bytes") : .fail("SegmentedRmpEn is clear in RMP_CFG")
            }
        },
        Check(
            "rmpopt-base",
            .rmp,
            "RMPOPT_BASE[0]: the kernel has turned RMPOPT on, on every CPU.",
            hint: "Boot a kernel with the RMPOPT series.",
            needs: "rmp-segmented"
        ) { host in
            guard let leaf = host.leaf(0x8000_0025), leaf.edx & 1 == 1 else {
                return .notApplicable("the processor does not have RMPOPT")
            }
            return rmpoptBase(of: host)
        },
    ]

    private static func rmpoptBase(of host: Host) -> Finding {
        var bases: Set<UInt64> = []
        var off: [Int] = []
        let cpus = host.cpus
        for cpu in cpus {
            switch host.register(Register.rmpoptBase, cpu: cpu) {
            // An offline CPU has no registers to read.
            case .failure(.noSuchAddress), .failure(.noSuchDevice): continue
            case .failure(let error): return .fail("RMPOPT_BASE of CPU \(cpu): \(error)")
            case .success(let value) where value & 1 == 0: off.append(cpu)
            case .success(let value): bases.insert(value & ~0x3FFF_FFFF)
            }
        }
        if let first = off.first {
            return .fail("RMPOPT_EN is clear on \(off.count) of \(cpus.count) CPUs, the first being CPU \(first)")
        }
        let windows = bases.sorted().map(hexadecimal).joined(separator: ", ")
        return bases.isEmpty ? .fail("no CPU has registers to read") : .pass("on; windows begin at \(windows)")
    }

    private static func failed(_ obstacle: RMPObstacle) -> Finding { .fail(obstacle.message, hint: obstacle.remedy) }

    /// Reads a register of CPU 0 and judges it.
    private static func found(
        _ number: UInt32,
        _ name: String,
        of host: Host,
        _ judge: (UInt64) -> Finding
    ) -> Finding {
        switch host.register(number) {
        case .success(let value): judge(value)
        case .failure(let error): .fail("\(name): \(error)", hint: "A hypervisor may hide it: look on the host itself.")
        }
    }

    private static func hexadecimal(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }
}

// SPDX-License-Identifier: Apache-2.0
// The checks of `rmpfs doctor` for the processor. A simulated host needs none of these, so a missing feature does not
// apply rather than fail.

extension Check {
    static let processorChecks = [
        Check(
            "amd-processor",
            .processor,
            "CPUID leaf 0: the vendor is AMD.",
            hint: "SNP and RMPOPT are AMD's; simulated hosts run on any processor."
        ) { host in
            guard let leaf = host.leaf(0) else { return .notApplicable("no CPUID here") }
            let bytes = [leaf.ebx, leaf.edx, leaf.ecx].flatMap { word in (0..<4).map { UInt8(word >> (8 * $0) & 0xFF) }
            }
            let vendor = String(decoding: bytes, as: UTF8.self)
            guard vendor == "AuthenticAMD" else { return .notApplicable("the vendor is '\(vendor)'") }
            // Only hypervisors set leaf 1, ECX[31] (AMD64 APM volume 3, appendix E).
            let isGuest = (host.leaf(1)?.ecx ?? 0) >> 31 == 1
            return .pass("\(vendor)\(isGuest ? ", seen through a hypervisor" : "")")
        },
        Check(
            "snp",
            .processor,
            "CPUID leaf 8000_001F, EAX[4]: the processor has SEV-SNP.",
            hint: "SEV-SNP came with EPYC 7003; simulated hosts run without it.",
            needs: "amd-processor"
        ) { host in bit(4, \.eax, 0x8000_001F, "SEV-SNP", of: host) },
        Check(
            "segmented-rmp",
            .processor,
            "CPUID leaf 8000_001F, EAX[23]: the processor has the segmented RMP.",
            hint: "RMPOPT needs it; simulated hosts do not.",
            needs: "snp"
        ) { host in
            let found = bit(23, \.eax, 0x8000_001F, "the segmented RMP", of: host)
            guard case .pass = found, let sizes = host.leaf(0x8000_0025)?.eax else { return found }
            return .pass("segments of 2^\(sizes & 0x3F) to 2^\(sizes >> 6 & 0x3F) bytes")
        },
        Check(
            "rmpopt",
            .processor,
            "CPUID leaf 8000_0025, EDX[0]: the processor has the RMPOPT instruction.",
            hint: "RMPOPT comes with Zen 6; simulated hosts run without it.",
            needs: "segmented-rmp"
        ) { host in bit(0, \.edx, 0x8000_0025, "RMPOPT", of: host) },
    ]

    /// A feature bit: there, or not applicable.
    private static func bit(
        _ number: UInt32,
        _ register: any KeyPath<Host.Leaf, UInt32> & Sendable,
        _ leaf: UInt32,
        _ feature: String,
        of host: Host
    ) -> Finding {
        guard let registers = host.leaf(leaf) else { return .notApplicable("the processor has no such CPUID leaf") }
        let isSet = registers[keyPath: register] >> number & 1 == 1
        return isSet ? .pass("the processor has \(feature)") : .notApplicable("the processor does not have \(feature)")
    }
}

// SPDX-License-Identifier: Apache-2.0
// What kind of guest a guest is: only SNP guests exist for RMP and firmware, but all of them take the host's memory.

/// The kind of a guest; the raw value is its word in files.
public enum GuestType: String, Sendable, Hashable, CaseIterable {
    /// An SNP guest: an ASID, pages of firmware, and private memory that is assigned in the RMP.
    case snp
    /// A guest without SNP. Its memory comes from the same allocator and stays hypervisor-owned, so that RMPOPT
    /// succeeds over it, and firmware does not know it. It is what RMPOPT is for: memory whose RMP checks cost time.
    ///
    /// Its memory is not guest_memfd, and its end passes none of the points at which a version of the series asks for a
    /// pass. Source: Linux arch/x86/kvm/svm/sev.c, `sev_vm_destroy()`, which returns at once for a VM without SEV; for
    /// v2, which hooks the freeing of a guest_memfd inode, that there is no such inode is a choice.
    case ordinary
}

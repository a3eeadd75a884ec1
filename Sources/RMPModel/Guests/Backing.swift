// SPDX-License-Identifier: Apache-2.0
// The size of the folios behind a guest's memory: it decides the size of its RMP entries and how its memory lies.

/// The folios of a guest's guest_memfd.
///
/// Source: Linux arch/x86/kvm/svm/sev.c, `sev_gmem_prepare()`: an RMP entry has 2 MB at most, and only where the folio
/// has at least that. Folios of 1 GB are those of hugetlb guest_memfd, announced in the threads of the series.
public enum Backing: Sendable, Hashable, CaseIterable {
    /// Single pages: every RMP entry has 4 KB.
    case size4K
    /// Transparent huge pages: RMP entries of 2 MB where a whole frame backs the guest.
    case size2M
    /// hugetlb: whole aligned gigabytes that were free, RMP entries of 2 MB.
    case size1G

    /// The size of a folio in bytes.
    public var bytes: UInt64 {
        switch self {
        case .size4K: Granularity.page
        case .size2M: Granularity.frame
        case .size1G: Granularity.region
        }
    }

    /// The largest RMP entry that such folios allow.
    public var pageSize: PageSize { self == .size4K ? .size4K : .size2M }

    /// In how many frames at once memory is taken from the host. Single pages come by the frame, too: a choice.
    var framesPerUnit: Int { self == .size1G ? Granularity.framesPerRegion : 1 }
}

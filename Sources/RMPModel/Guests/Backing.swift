// SPDX-License-Identifier: Apache-2.0
// The size of the folios behind a guest's memory: it decides the size of its RMP entries and the alignment of its
// memory.

/// The folios of a guest's guest_memfd.
///
/// Source: Linux arch/x86/kvm/svm/sev.c, `sev_gmem_prepare()`: an RMP entry covers at most 2 MB, and only if the folio
/// is at least that large. Folios of 1 GB are those of hugetlb guest_memfd, announced in the threads of the series.
public enum Backing: Sendable, Hashable, CaseIterable {
    /// Single pages: every RMP entry covers 4 KB.
    case size4K
    /// Transparent huge pages: RMP entries of 2 MB if a whole chunk backs the guest.
    case size2M
    /// hugetlb: whole free aligned gigabytes, RMP entries of 2 MB.
    case size1G

    /// The size of a folio in bytes.
    public var bytes: UInt64 {
        switch self {
        case .size4K: Granularity.page
        case .size2M: Granularity.chunk
        case .size1G: Granularity.region
        }
    }

    /// The largest RMP entry that such folios allow.
    public var pageSize: PageSize { self == .size4K ? .size4K : .size2M }

    /// How many chunks are taken from the host at once. Single pages also come in whole chunks: a choice.
    var chunksPerUnit: Int { self == .size1G ? Granularity.chunksPerRegion : 1 }
}

// SPDX-License-Identifier: Apache-2.0
// What firmware does to a guest's own pages at launch: it measures them and makes them the guest's.

extension Firmware {
    /// SNP_LAUNCH_UPDATE of a VMSA page: from Pre-Guest to Guest-Valid, with the VMSA bit.
    ///
    /// Source: SEV-SNP firmware ABI, SNP_LAUNCH_UPDATE, page type VMSA.
    func launchUpdateVMSA(_ page: PFN, _ platform: inout Platform) { platform.rmp.change(page, by: .launchVMSA) }

    /// The end of a launch for the first `pages` pages of a chunk of the initial image: SNP_LAUNCH_UPDATE of each, or
    /// SNP_PAGE_RECLAIM after a failed launch, so that RMPUPDATE can take them back. Pages whose state firmware refuses
    /// stay as they are.
    ///
    /// Source: Linux arch/x86/kvm/svm/sev.c, `sev_gmem_post_populate()`; `FirmwareChange` defines what the commands do.
    func endLaunch(_ chunk: Int, pages: Int, isValid: Bool, _ platform: inout Platform) {
        let change: FirmwareChange = isValid ? .launchUpdate : .reclaim
        func ended(_ word: EntryWord) -> EntryWord? { change.entry(after: RMPEntry(rawLow: word.bits))?.word }
        let whole = platform.rmp.chunkWord(chunk)
        if !whole.isMixed && pages == Granularity.pagesPerChunk {
            if let word = ended(whole) { platform.rmp.setChunk(chunk, word) }
            return
        }
        for page in 0..<pages {
            guard let word = ended(platform.rmp.entry(chunk: chunk, index: page)) else { continue }
            platform.rmp.setEntry(chunk: chunk, index: page, word)
        }
    }
}

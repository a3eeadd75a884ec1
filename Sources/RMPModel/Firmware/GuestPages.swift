// SPDX-License-Identifier: Apache-2.0
// What firmware does to a guest's own pages at its launch: it measures them and makes them the guest's.

extension Firmware {
    /// SNP_LAUNCH_UPDATE of a VMSA page: from Pre-Guest to Guest-Valid, with the VMSA bit.
    ///
    /// Source: SEV-SNP firmware ABI, SNP_LAUNCH_UPDATE, page type VMSA.
    func launchUpdateVMSA(_ page: PFN, _ platform: inout Platform) { platform.rmp.change(page, by: .launchVMSA) }

    /// The end of a launch for the first `pages` pages of a frame of the initial image: from Pre-Guest to Guest-Valid
    /// with SNP_LAUNCH_FINISH; to Guest-Invalid with SNP_PAGE_RECLAIM after a launch that failed, so that RMPUPDATE can
    /// take them back. Pages in other states stay.
    ///
    /// Source: SEV-SNP firmware ABI, page states.
    func endLaunch(_ frame: Int, pages: Int, isValid: Bool, _ platform: inout Platform) {
        func ended(_ word: EntryWord) -> EntryWord? {
            guard word.isAssigned, word.isImmutable, word.asid != 0 else { return nil }
            let bits = word.bits & ~EntryWord.immutableBit
            return EntryWord(bits: isValid ? bits | EntryWord.validatedBit : bits)
        }
        let whole = platform.rmp.frameWord(frame)
        if !whole.isMixed && pages == Granularity.pagesPerFrame {
            if let word = ended(whole) { platform.rmp.setFrame(frame, word) }
            return
        }
        for page in 0..<pages {
            guard let word = ended(platform.rmp.entry(frame: frame, index: page)) else { continue }
            platform.rmp.setEntry(frame: frame, index: page, word)
        }
    }
}

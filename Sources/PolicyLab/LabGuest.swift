// SPDX-License-Identifier: Apache-2.0
// A guest on a host of the lab, and how far its memory has gone back.

import RMPModel

/// A guest that holds memory.
struct LabGuest: Sendable {
    let isSNP: Bool
    /// Its own pages.
    let pages: Int
    let backing: Backing
    /// What it holds, in the order of its guest physical addresses; in total `pages`, or more if the last folio is
    /// whole.
    let runs: [PageRun]
    /// Its control pages.
    var control: [Int] = []
    /// Its own pages that are shared now, by number.
    var shared = 0..<0
    /// Chunks of its memory, by number, whose entries a conversion has changed: whether they have one of 2 MB now.
    var converted: [Int: Bool] = [:]

    /// Pages that are measured at launch, with 4 KB entries: the model's `Guest.initialImage`, 16 MB.
    static let imagePages = 4_096

    /// The pieces of its memory within chunks, from one place on.
    struct Place: Sendable {
        var run = 0
        /// Pages of the run that are done.
        var offset = 0
        /// Own pages done.
        var done = 0
    }

    /// Whether an RMP entry of 2 MB covers the pages from number `page` to the end of their chunk.
    func has2M(_ page: Int, count: Int) -> Bool {
        if count != Pages.perChunk || backing.pageSize != .size2M { return false }
        if !converted.isEmpty, let is2M = converted[page >> 9] { return is2M }
        return page >= LabGuest.imagePages
    }
}

/// How soon the regions of an ended guest are fast again.
struct Recovery: Sendable {
    /// When its end was asked for.
    let asked: UInt64
    /// Regions that are free of assigned pages and not yet optimized.
    var waiting = 0
    /// When the last region was optimized.
    var last: UInt64?
    /// Whether all its memory has gone back.
    var hasEnded = false
}

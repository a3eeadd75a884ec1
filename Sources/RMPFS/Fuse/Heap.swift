// SPDX-License-Identifier: Apache-2.0
// How malloc(3) keeps this process' memory, so that a limit can be reckoned with and what is free can go back.

import CFuse

/// The process' heap.
public enum Heap {
    /// Sets malloc(3) up; to be called before there are threads.
    ///
    /// One arena: each further one reserves 64 MB of addresses, which a limit counts, and what is free in one is not to
    /// be had in another. Arrays of 4 MB and more are mappings, which go back at once.
    public static func prepare() { rmpfs_set_up_heap(1, 4 << 20, 8 << 20) }

    /// Gives whole pages that are free back to the system; malloc(3) by itself does that only at the heap's end.
    static func trim() { rmpfs_trim_heap() }
}

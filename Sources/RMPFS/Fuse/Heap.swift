// SPDX-License-Identifier: Apache-2.0
// Configures malloc(3) so that memory limits are predictable and free memory can be given back.

import CFuse

/// The process's heap.
public enum Heap {
    /// Sets up malloc(3); must be called before other threads exist.
    ///
    /// One arena: each further one reserves 64 MB of addresses, which count against a limit, and memory that is free in
    /// one is not available in another. Arrays of 4 MB and more are mappings, which are given back at once.
    public static func prepare() { rmpfs_set_up_heap(1, 4 << 20, 8 << 20) }

    /// Gives whole free pages back to the system; malloc(3) alone does so only at the end of the heap.
    static func trim() { rmpfs_trim_heap() }
}

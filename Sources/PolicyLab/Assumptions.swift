// SPDX-License-Identifier: Apache-2.0
// What the lab takes for granted, in words: a result is worth no more than these, so each report carries them.

/// The assumptions of the model.
public enum Assumptions {
    /// One sentence or two each.
    public static let all = [
        "Durations come from rmpfs' cost model, fitted to the few figures ever posted (docs/fidelity.md, \"The cost "
            + "model\"). What a check of the RMP costs a workload is not in it: nobody has posted that.",
        "A byte of ordinary memory is fast on a core while the bit of its region is set in that core's RMPOPT table. "
            + "Every core counts the same, whether or not it uses that memory.",
        "All of a guest's memory is in use from its arrival to its end. SNP guests have all of theirs assigned.",
        "A launch takes no time; the end of an SNP guest takes one RMPUPDATE for each page or 2 MB entry.",
        "The host's own memory is taken at boot and stays as it is. A page cache (page_cache_percent, by default none) "
            + "grows at once, in folios of 4 KB, when a guest has come or gone; if a guest finds no memory, the oldest "
            + "is dropped.",
        "Nothing moves: no compaction, no migration, no swap, no balloon.",
        "Linux's page allocator (placement buddy) has no per-CPU lists, no watermarks and no reclaim.",
        "The bound moves guests freely, and has the memory of a guest that ends back at once. The runs of optimum "
            + "refuse a guest only if no placement could launch it beside those that run.",
    ]
}

// SPDX-License-Identifier: Apache-2.0
// The files in debugfs that our kernel module has beside the table, as its page describes them.

/// The module's own files: module/README.md.
public enum ModuleFiles {
    /// What each CPU did: by its existence the module is recognized.
    public static let cpus = "rmpopt/cpus"
    /// The last passes of the module's own.
    static let passes = "rmpopt/passes"
    /// What all of them did; a module without it is older.
    static let totals = "rmpopt/totals"
}

// SPDX-License-Identifier: Apache-2.0
// The version of rmpfs, for --version and for metrics.

/// This release.
public enum Release {
    /// Its version.
    public static let version = "0.1.0"
}

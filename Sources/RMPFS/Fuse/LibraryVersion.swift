// SPDX-License-Identifier: Apache-2.0
// Which libfuse this process has loaded; it need not be the one it was built with.

import CFuse

/// The loaded libfuse.
public enum LibraryVersion {
    /// Its version as libfuse reports it, such as `3.14.0`.
    public static var text: String { String(cString: fuse_pkgversion()) }

    /// Major and minor version as one number: 314 for 3.14, as in FUSE_USE_VERSION.
    public static var number: Int { Int(fuse_version()) }
}

// SPDX-License-Identifier: Apache-2.0
// Constant bytes of debugfs, as debugfs_create_blob() makes them.

/// A file of fs/debugfs that shows constant bytes (fs/debugfs/file.c, debugfs_create_blob): any offset, any size.
///
/// Unchecked, as ``Node`` says: its own state is constant.
public final class BlobFile: File, @unchecked Sendable {
    fileprivate let content: Snapshot

    /// A read-only file of `bytes`, mode 0444.
    public init(owner: Owner, bytes: [UInt8]) {
        content = Snapshot(capacity: bytes.count)
        content.text.append(bytes)
        super.init(rules: .debugfs, mode: 0o444, owner: owner)
    }

    override func makeOpenFile(_ request: OpenRequest) throws(Errno) -> OpenFile { OpenBlob(self) }

    /// default_llseek: data up to the size that stat(2) gives, whatever there is to read.
    override func seek(_ target: SeekTarget, from offset: Int64) throws(Errno) -> Int64 {
        try seekBySize(target, from: offset, negative: .invalid)
    }
}

/// An open blob: has no state.
///
/// Unchecked, as ``OpenFile`` says.
private final class OpenBlob: OpenFile, @unchecked Sendable {
    private let blob: BlobFile

    init(_ blob: BlobFile) {
        self.blob = blob
        super.init(blob)
    }

    override func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        TextSlice(of: blob.content, offset: offset, size: size)
    }
}

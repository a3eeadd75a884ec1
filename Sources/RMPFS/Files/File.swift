// SPDX-License-Identifier: Apache-2.0
// What every kind of file supports: opening, and then reading, writing and seeking on the open file.

/// How a client opened a file: the open(2) flags that a file decides on.
public struct OpenRequest: Sendable, Hashable {
    /// Whether reads were asked for (O_RDONLY, O_RDWR; not access mode 3).
    public var reads: Bool
    /// Whether writes were asked for (O_WRONLY, O_RDWR; not access mode 3).
    public var writes: Bool
    /// O_DIRECT.
    public var direct: Bool
    /// O_TRUNC.
    public var truncates: Bool

    /// Sets the flags one by one.
    public init(reads: Bool, writes: Bool = false, direct: Bool = false, truncates: Bool = false) {
        self.reads = reads
        self.writes = writes
        self.direct = direct
        self.truncates = truncates
    }
}

/// What lseek(2) requests beyond the offsets that the kernel computes itself.
public enum SeekTarget: Sendable, Hashable {
    /// SEEK_DATA
    case data
    /// SEEK_HOLE
    case hole
    /// Any other whence.
    case other
}

/// A regular file.
///
/// Unchecked, as ``Node`` says: what changes is in its metadata, behind their `Lock`.
public class File: Node, @unchecked Sendable {
    /// Whether lseek, pread and pwrite work (in the kernel, nonseekable_open() makes them ESPIPE).
    var isSeekable: Bool { true }

    /// Whether lseek(2) supports SEEK_END. seq_lseek() does not: EINVAL.
    var hasEnd: Bool { true }

    /// Checks whether `request` may open this file, and makes its open file.
    ///
    /// The caller's permissions were checked before (`default_permissions`); here the kind itself refuses, even root.
    func makeOpenFile(_ request: OpenRequest) throws(Errno) -> OpenFile {
        throw .notSupported
    }

    /// open(2): makes an open file and, with O_TRUNC, changes the size without storing anything.
    func open(_ request: OpenRequest) throws(Errno) -> OpenFile {
        if isRemoved { throw .noSuchFile }
        let opened = try makeOpenFile(request)
        if request.direct { throw .invalid }
        metadata.withLock { data in
            data.openCount += 1
            if request.truncates {
                data.truncatedSize = 0
                data.modified = .now
                data.changed = data.modified
            }
        }
        return opened
    }

    /// Reads the whole text in reads of `chunk` bytes until the end; for use without a mount. If the file changes
    /// between two reads, the text is mixed, as for any such reader.
    /// - Parameter body: gets the bytes of each read; they are valid only inside it.
    public func read(chunk: Int = 131_072, _ body: (UnsafeRawBufferPointer) -> Void) throws(Errno) {
        let opened = try open(OpenRequest(reads: true))
        defer { opened.close() }
        var offset: UInt64 = 0
        while true {
            let slice = try opened.read(at: offset, size: max(chunk, 1))
            if slice.count == 0 { return }
            slice.withBytes(body)
            offset += UInt64(slice.count)
        }
    }

    /// The whole text, as ``read(chunk:_:)`` gives it.
    public func contents(chunk: Int = 131_072) throws(Errno) -> [UInt8] {
        var text = TextBuffer(capacity: chunk)
        try read(chunk: chunk) { text.append($0) }
        return Array(text.bytes)
    }

    /// Writes a value in one write(2), as `echo` does; for use without a mount.
    /// - Throws: the error with which the file refuses the open or the value.
    public func write(_ value: some StringProtocol) throws(Errno) {
        let opened = try open(OpenRequest(reads: false, writes: true, truncates: true))
        defer { opened.close() }
        let bytes = Array(value.utf8)
        let result = bytes.withUnsafeBytes { bytes -> Result<Int, Errno> in
            Result { () throws(Errno) in try opened.write(bytes, at: 0) }
        }
        _ = try result.get()
    }

    /// One open file fewer.
    fileprivate func close() {
        metadata.withLock { data in
            data.openCount -= 1
            if data.openCount == 0 && rules.makesFilesAnew { data.truncatedSize = nil }
        }
    }

    /// lseek(2) with SEEK_DATA or SEEK_HOLE.
    /// - Returns: the new position.
    func seek(_ target: SeekTarget, from offset: Int64) throws(Errno) -> Int64 {
        throw .invalid
    }

    /// SEEK_DATA and SEEK_HOLE of a file that is data up to the size that stat(2) gives, followed by a hole.
    /// - Parameter negative: the error for an offset below 0.
    final func seekBySize(_ target: SeekTarget, from offset: Int64, negative: Errno) throws(Errno) -> Int64 {
        let end = Int64(truncatingIfNeeded: size)
        if target == .other { throw .invalid }
        if offset < 0 { throw negative }
        if offset >= end { throw .noSuchAddress }
        return target == .data ? offset : end
    }

    /// The size in bytes that stat(2) gives.
    var size: UInt64 { metadata.withLock { $0.truncatedSize ?? rules.fileSize } }
}

/// The result of one open(2). Lives until the last close of its descriptors.
///
/// Unchecked: the compiler cannot check a class with subclasses, which must repeat the annotation. Each subclass keeps
/// its state in one `Lock`, which is held while a text is rendered and never while a reply is sent.
public class OpenFile: @unchecked Sendable {
    /// The file that was opened.
    let file: File

    /// The file's incarnation when it was opened.
    private let incarnation: Int?

    init(_ file: File) {
        self.file = file
        incarnation = file.incarnation
    }

    /// Throws if the rules forbid use of a file that was removed while it was open. A new file of the same name is
    /// another file.
    final func check() throws(Errno) {
        if let removed = file.rules.removed, file.incarnation != incarnation { throw removed }
    }

    /// Called once, when the open file is closed.
    func close() {
        file.close()
    }

    /// read(2) and pread(2) of `size` bytes at `offset`; empty at the end.
    func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        throw .invalid
    }

    /// write(2) and pwrite(2).
    /// - Returns: how many of the bytes were consumed, at least one.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(Errno) -> Int {
        throw .invalid
    }
}

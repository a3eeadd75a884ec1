// SPDX-License-Identifier: Apache-2.0
// A large file that is mostly holes and made while it is read: no kind of configfs or debugfs, and nothing pretends so.

/// What a sparse file shows.
public protocol SparseContent: Sendable {
    /// The size in bytes.
    var size: UInt64 { get }
    /// The next bytes from an offset on that may be other than zeros; nil when none follow.
    func nextData(from offset: UInt64) throws(Errno) -> Range<UInt64>?
    /// Writes the bytes at an offset, a multiple of 16, as is their number; their memory is aligned to 16.
    func read(at offset: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(Errno)
}

/// A read-only file with a size that is true, whose holes lseek(2) finds.
///
/// Unchecked, as ``Node`` says: its own state is constant.
public final class SparseFile: File, @unchecked Sendable {
    fileprivate let content: any SparseContent

    /// A file of mode 0444.
    public init(rules: FileSystemRules, owner: Owner, content: any SparseContent) {
        self.content = content
        super.init(rules: rules, mode: 0o444, owner: owner)
    }

    override var size: UInt64 { content.size }

    override func makeOpenFile(_ request: OpenRequest) throws(Errno) -> OpenFile {
        if request.writes { throw .accessDenied }
        return OpenSparseFile(self)
    }

    /// As file systems with holes answer: SEEK_DATA finds the next data or ENXIO, SEEK_HOLE the next hole, of which one
    /// is at the end.
    override func seek(_ target: SeekTarget, from offset: Int64) throws(Errno) -> Int64 {
        guard target != .other else { throw .invalid }
        guard let start = UInt64(exactly: offset), start < content.size else { throw .noSuchAddress }
        let data = try content.nextData(from: start).map { $0.clamped(to: 0..<content.size) }
        guard let data, !data.isEmpty else {
            if target == .data { throw .noSuchAddress }
            return offset
        }
        if target == .data { return Int64(max(data.lowerBound, start)) }
        if data.lowerBound > start { return offset }
        // What follows right behind may be data, too. A hole that is none does no harm, a walk without an end would.
        var end = data.upperBound
        for _ in 0..<Self.longestWalk {
            guard let next = try content.nextData(from: end), next.lowerBound <= end else { break }
            end = next.upperBound
        }
        return Int64(min(end, content.size))
    }

    private static let longestWalk = 64
}

/// An open sparse file: has no state.
///
/// Unchecked, as ``OpenFile`` says.
private final class OpenSparseFile: OpenFile, @unchecked Sendable {
    private let sparse: SparseFile

    init(_ file: SparseFile) {
        sparse = file
        super.init(file)
    }

    override func read(at offset: UInt64, size: Int) throws(Errno) -> TextSlice {
        let end = sparse.content.size
        guard offset < end else { return .empty }
        let count = Int(min(UInt64(size), end - offset))
        // Whole units of 16 bytes around what was asked for.
        let skipped = Int(offset % 16)
        let whole = (skipped + count + 15) / 16 * 16
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: whole, alignment: 16)
        defer { room.deallocate() }
        try sparse.content.read(at: offset - UInt64(skipped), into: room)
        let snapshot = Snapshot(capacity: count)
        snapshot.text.append(UnsafeRawBufferPointer(rebasing: room[skipped..<skipped + count]))
        return TextSlice(of: snapshot, offset: 0, size: count)
    }
}

// SPDX-License-Identifier: Apache-2.0
// A file as memory: /dev/mem, or a file whose offsets are physical addresses and whose holes are zeros.

import CMapping
import Glibc

/// Memory behind a descriptor.
public struct FileMemory: PhysicalMemory {
    /// How bytes are read.
    public enum Access: Sendable, Hashable {
        /// mmap(2), without a copy. If others cut the file short meanwhile, that is an error as with `read`.
        case mapped
        /// pread(2).
        case read
    }

    private let descriptor: Int32
    /// Closes the descriptor with the last copy of this memory; nil where the caller does.
    private let owner: DescriptorOwner?
    private let access: Access
    /// Whether others may change it during a scan.
    public let isLive: Bool
    /// Whether SEEK_DATA finds holes.
    private let hasHoles: Bool
    private let pageSize = UInt64(sysconf(Int32(_SC_PAGESIZE)))
    /// Mappings begin and end at multiples of it: those of a file at multiples of 2 MB, so that folios of that size in
    /// the page cache are mapped as a whole. Of a device no more is mapped than is asked for, as it may be refused.
    private let alignment: UInt64

    /// - Parameters:
    ///   - descriptor: open for reading.
    ///   - isOwned: whether to close it when the last copy of this memory goes; else it must stay open until then.
    ///   - isLive: whether others may change it during a scan.
    public init(descriptor: Int32, isOwned: Bool = false, access: Access, isLive: Bool) {
        self.descriptor = descriptor
        owner = isOwned ? DescriptorOwner(descriptor) : nil
        self.access = access
        self.isLive = isLive
        var status = stat()
        let isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        alignment = isRegular ? max(pageSize, 2 << 20) : pageSize
        hasHoles = isRegular && (lseek(descriptor, 0, FileMemory.seekData) >= 0 || errno == ENXIO)
    }

    private static let seekData: Int32 = 3

    /// Memory that is mapped if the page at an address can be mapped, else read: FUSE and some drivers do not support
    /// mmap(2).
    public init(descriptor: Int32, isOwned: Bool = false, mappedIfPossibleAt address: UInt64, isLive: Bool) {
        let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        var access = Access.read
        if let offset = off_t(exactly: address / page * page),
            let place = mmap(nil, Int(page), PROT_READ, MAP_SHARED, descriptor, offset), place != MAP_FAILED
        {
            munmap(place, Int(page))
            access = .mapped
        }
        self.init(descriptor: descriptor, isOwned: isOwned, access: access, isLive: isLive)
    }

    /// Whether bytes are read in place.
    public var showsItself: Bool { access == .mapped }

    /// Uses SEEK_DATA if the file system supports it; else every address may hold data. What lies beyond the end of a
    /// file is not zeros: reading it is an error.
    public func nextData(from address: UInt64) -> UInt64? {
        guard hasHoles, let offset = off_t(exactly: address) else { return address }
        let found = lseek(descriptor, offset, FileMemory.seekData)
        if found >= 0 { return UInt64(found) }
        guard errno == ENXIO, let size else { return address }
        return max(address, size)
    }

    /// How large a file is; nil for a device, whose end nothing states.
    private var size: UInt64? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return UInt64(status.st_size)
    }

    /// The bytes of a range: mapped, or read into the buffer.
    public func withBytes(
        of range: Range<UInt64>,
        buffer: ScanBuffer,
        _ body: (UnsafeRawBufferPointer) throws(MemoryError) -> Void
    ) throws(MemoryError) {
        if access == .mapped { return try withMapping(of: range, body) }
        let count = Int(range.upperBound - range.lowerBound)
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[..<count])
        try read(range.lowerBound, into: room)
        try body(UnsafeRawBufferPointer(room))
    }

    private func withMapping(
        of range: Range<UInt64>,
        _ body: (UnsafeRawBufferPointer) throws(MemoryError) -> Void
    ) throws(MemoryError) {
        let start = range.lowerBound / alignment * alignment
        try checkEnd(range)
        guard let offset = off_t(exactly: start) else { throw MemoryError(.map, address: start, number: EOVERFLOW) }
        let count = Int((range.upperBound + alignment - 1) / alignment * alignment - start)
        // Without MAP_POPULATE: a fault maps a whole folio, and a quick scan needs few pages.
        guard let place = mmap(nil, count, PROT_READ, MAP_SHARED, descriptor, offset), place != MAP_FAILED else {
            throw MemoryError(.map, address: range.lowerBound, number: errno)
        }
        defer { munmap(place, count) }
        let skipped = Int(range.lowerBound - start)
        let bytes = UnsafeRawBufferPointer(start: place + skipped, count: Int(range.upperBound - range.lowerBound))
        rmpfs_guard_begin(place, count, Int(pageSize))
        let result = Result { () throws(MemoryError) in try body(bytes) }
        let isLost = rmpfs_guard_end() != 0
        try result.get()
        if isLost {
            try checkEnd(range)
            // It has grown again, or it is a device that has no memory there.
            throw MemoryError(.map, address: range.lowerBound, number: EFAULT)
        }
    }

    /// Whether a file has all of a range; what is cut off later is noticed when it is read.
    private func checkEnd(_ range: Range<UInt64>) throws(MemoryError) {
        if let size, size < range.upperBound { throw MemoryError(.end, address: size) }
    }

    /// Eight bytes, always by pread(2).
    public func word(at address: UInt64) throws(MemoryError) -> UInt64 {
        var word: UInt64 = 0
        let result = withUnsafeMutableBytes(of: &word) { bytes in
            Result { () throws(MemoryError) in try read(address, into: bytes) }
        }
        try result.get()
        return UInt64(littleEndian: word)
    }

    private func read(_ address: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(MemoryError) {
        var done = 0
        while done < bytes.count {
            let position = address + UInt64(done)
            guard let offset = off_t(exactly: position) else {
                throw MemoryError(.read, address: position, number: EOVERFLOW)
            }
            let count = pread(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done, offset)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw MemoryError(.read, address: position, number: errno) }
            if count == 0 { throw MemoryError(.end, address: size.map { min($0, position) } ?? position) }
            done += count
        }
    }
}

/// A descriptor that closes with its owner.
private final class DescriptorOwner: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }
}

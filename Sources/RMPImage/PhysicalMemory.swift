// SPDX-License-Identifier: Apache-2.0
// Where the bytes of an RMP come from: anything with physical addresses.

/// Memory by its physical addresses, read only.
public protocol PhysicalMemory: Sendable {
    /// Whether others may change it during a scan.
    var isLive: Bool { get }

    /// The first address from `address` on that may hold anything but zeros; nil if only zeros follow.
    func nextData(from address: UInt64) -> UInt64?

    /// Gives the bytes of a range to `body`; they are valid only inside it, and aligned to 16 if the range is.
    /// - Parameter buffer: where to put them if the memory cannot give them in place; has room for all of them.
    func withBytes(
        of range: Range<UInt64>,
        buffer: ScanBuffer,
        _ body: (UnsafeRawBufferPointer) throws(MemoryError) -> Void
    ) throws(MemoryError) -> Void

    /// The eight bytes at `address`, a multiple of 8, read again.
    func word(at address: UInt64) throws(MemoryError) -> UInt64

    /// Whether ``withBytes(of:buffer:_:)`` gives the memory itself, so that reading a byte again gives its present
    /// value.
    var showsItself: Bool { get }
}

/// Memory that could not be read.
public struct MemoryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The operation that failed.
    public enum Operation: String, Sendable, Hashable {
        case map = "cannot be mapped"
        case read = "cannot be read"
        /// The file ends before the address.
        case end = "is beyond the end of the file"
    }

    /// The operation.
    public let operation: Operation
    /// Where, in bytes.
    public let address: UInt64
    /// The error number of the system call, as in errno(3); 0 for ``Operation/end``.
    public let number: Int32

    /// An error by its parts.
    public init(_ operation: Operation, address: UInt64, number: Int32 = 0) {
        self.operation = operation
        self.address = address
        self.number = number
    }

    /// `address 0x8800000 cannot be read`; the caller adds the text for the number.
    public var description: String { "address 0x\(String(address, radix: 16)) \(operation.rawValue)" }
}

/// Space for the bytes of a part of the table, aligned to a page; for one thread.
public final class ScanBuffer {
    /// The space.
    public let bytes: UnsafeMutableRawBufferPointer

    /// Space for `count` bytes.
    public init(count: Int) {
        start = .allocate(byteCount: count, alignment: 4096)
        bytes = UnsafeMutableRawBufferPointer(start: start, count: count)
    }

    /// Its first byte.
    let start: UnsafeMutableRawPointer

    deinit { start.deallocate() }
}

// SPDX-License-Identifier: Apache-2.0
// The buffer for file contents: appends bytes to memory that is kept and reused, without Strings.

import Glibc

/// A growing run of bytes, with the few output operations that kernel-style files need.
///
/// Appending costs a bounds check and a store; memory doubles when full, and ``removeAll()`` keeps it.
public struct TextBuffer: ~Copyable {
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    /// The number of bytes written so far.
    public private(set) var count = 0

    /// An empty buffer with room for `capacity` bytes.
    public init(capacity: Int = 64) {
        self.capacity = max(capacity, 16)
        base = Self.memory(of: self.capacity, from: nil)
    }

    deinit {
        free(base)
    }

    /// Memory from the C library, whose realloc(3) moves the pages of long texts instead of copying them.
    private static func memory(of bytes: Int, from old: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer {
        // Like Swift's own allocations, which also trap without memory. No client controls the length of a text.
        guard let memory = realloc(old, bytes) else { fatalError("out of memory: a text of \(bytes) bytes") }
        return memory
    }

    /// The bytes written so far. Valid until the buffer is next changed.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base, count: count)
    }

    /// The allocated memory in bytes, used or not.
    var memory: Int { capacity }

    /// Forgets the contents and keeps the memory.
    public mutating func removeAll() {
        count = 0
    }

    /// Drops everything after the first `length` bytes. A larger `length` changes nothing.
    public mutating func truncate(to length: Int) {
        count = max(0, min(count, length))
    }

    /// Drops the first `length` bytes and moves the rest to the front.
    public mutating func removeFirst(_ length: Int) {
        let dropped = max(0, min(count, length))
        count -= dropped
        base.copyMemory(from: base + dropped, byteCount: count)
    }

    /// Makes room for `more` bytes after the present ones.
    @inline(__always)
    public mutating func reserve(_ more: Int) {
        if count + more > capacity { grow(by: more) }
    }

    @inline(never)
    private mutating func grow(by more: Int) {
        capacity = max(capacity * 2, count + more)
        base = Self.memory(of: capacity, from: base)
    }

    /// Appends one byte.
    @inline(__always)
    public mutating func append(_ byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    /// Appends a literal text.
    @inline(__always)
    public mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends raw bytes.
    @inline(__always)
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        reserve(bytes.count)
        (base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    /// Appends the bytes of an array.
    public mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Appends a number in decimal, right-aligned with spaces in at least `width` columns (`%*llu`).
    @inline(__always)
    public mutating func append(decimal value: UInt64, width: Int = 0) {
        var digits = 1
        var limit: UInt64 = 10
        while value >= limit {
            digits += 1
            let (next, overflow) = limit.multipliedReportingOverflow(by: 10)
            if overflow { break }
            limit = next
        }
        let columns = max(digits, width)
        reserve(columns)
        var end = base + count + columns
        count += columns
        var rest = value
        for _ in 0..<digits {
            let tens = rest / 10
            end -= 1
            // Not `| 0x30`: Swift 6.3.1 optimizes the `or` away here, and raw digits come out.
            end.storeBytes(of: 0x30 &+ UInt8(truncatingIfNeeded: rest &- tens &* 10), as: UInt8.self)
            rest = tens
        }
        for _ in digits..<columns {
            end -= 1
            end.storeBytes(of: 0x20, as: UInt8.self)
        }
    }

    /// Appends a number in lower-case hexadecimal without leading zeros (`%llx`).
    public mutating func append(hexadecimal value: UInt64) {
        var shift = value == 0 ? 0 : UInt64(63 - value.leadingZeroBitCount) & ~3
        while true {
            let digit = UInt8(truncatingIfNeeded: value >> shift & 15)
            append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
            if shift == 0 { return }
            shift -= 4
        }
    }

    /// Appends a name as the kernel prints it in lists of words: control characters, spaces, commas and backslashes as
    /// a backslash and three octal digits, as in /proc/mounts.
    public mutating func append(escaped name: [UInt8]) {
        for byte in name {
            if byte > 0x20 && byte != 0x2C && byte != 0x5C && byte != 0x7F {
                append(byte)
            } else {
                append(0x5C)
                for shift in [6, 3, 0] as [UInt8] { append(0x30 &+ (byte >> shift & 7)) }
            }
        }
    }
}

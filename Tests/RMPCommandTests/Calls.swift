// SPDX-License-Identifier: Apache-2.0
// System calls in the form that tests use: they return a result or throw the errno.

import Glibc

/// The errno of a failed call.
struct Failure: Error, Equatable, CustomStringConvertible {
    let number: Int32

    init(_ number: Int32) {
        self.number = number
    }

    var description: String { String(cString: strerror(number)) }
}

/// A file descriptor.
final class Descriptor: Sendable {
    let number: Int32

    init(_ path: String, _ flags: Int32) throws(Failure) {
        number = open(path, flags | O_CLOEXEC)
        if number < 0 { throw Failure(errno) }
    }

    deinit {
        close(number)
    }

    func read(_ size: Int) throws(Failure) -> String {
        try take(size) { Glibc.read(number, $0, size) }
    }

    func pread(_ size: Int, _ offset: Int) throws(Failure) -> String {
        try take(size) { Glibc.pread(number, $0, size, offset) }
    }

    @discardableResult
    func write(_ text: String) throws(Failure) -> Int {
        let bytes = Array(text.utf8)
        return try check(Glibc.write(number, bytes, bytes.count))
    }

    func pwrite(_ text: String, _ offset: Int) throws(Failure) -> Int {
        let bytes = Array(text.utf8)
        return try check(Glibc.pwrite(number, bytes, bytes.count, offset))
    }

    func seek(_ offset: Int, _ whence: Int32) throws(Failure) -> Int {
        try check(lseek(number, offset, whence))
    }

    func status() throws(Failure) -> stat {
        var status = stat()
        try check(Int(fstat(number, &status)))
        return status
    }

    private func take(_ size: Int, _ call: (UnsafeMutableRawPointer) -> Int) throws(Failure) -> String {
        var bytes = [UInt8](repeating: 0, count: size)
        let count = bytes.withUnsafeMutableBytes { $0.baseAddress.map { call($0) } ?? 0 }
        try check(count)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}

/// The result of a call, or its errno.
@discardableResult
func check(_ result: Int) throws(Failure) -> Int {
    if result < 0 { throw Failure(errno) }
    return result
}

/// Reads a whole file with reads of `size`.
func slurp(_ path: String, size: Int = 65536) throws(Failure) -> String {
    let file = try Descriptor(path, O_RDONLY)
    var text = ""
    while true {
        let part = try file.read(size)
        if part.isEmpty { return text }
        text += part
    }
}

/// `echo text > path`.
func put(_ text: String, _ path: String) throws(Failure) {
    try Descriptor(path, O_WRONLY | O_TRUNC).write(text)
}

/// The errno of a call; 0 if it succeeds.
func number<Result>(of call: () throws -> Result) -> Int32 {
    do {
        _ = try call()
        return 0
    } catch {
        return (error as? Failure)?.number ?? -1
    }
}

/// stat(2).
func status(_ path: String) throws(Failure) -> stat {
    var status = stat()
    try check(Int(stat(path, &status)))
    return status
}

// SPDX-License-Identifier: Apache-2.0
// Shared by the tests: shortcuts to open, read, write and compare, and the recorded files.

import Foundation
import Glibc
import RMPModel
import Synchronization

@testable import RMPFS

extension OpenRequest {
    static let reading = OpenRequest(reads: true)
    static let writing = OpenRequest(reads: false, writes: true)
    static let both = OpenRequest(reads: true, writes: true)
    /// Access mode 3, neither reading nor writing.
    static let neither = OpenRequest(reads: false)
}

extension TextSlice {
    var array: [UInt8] { withBytes { Array($0) } }
    var string: String { String(decoding: array, as: UTF8.self) }
}

extension OpenFile {
    /// One read as a text.
    func text(at offset: UInt64 = 0, size: Int = 1 << 20) throws(Errno) -> String {
        try read(at: offset, size: size).string
    }

    /// One write of a text.
    @discardableResult
    func write(_ text: String, at offset: UInt64 = 0) throws(Errno) -> Int {
        try write(Array(text.utf8), at: offset)
    }

    /// One write of bytes.
    @discardableResult
    func write(_ bytes: [UInt8], at offset: UInt64 = 0) throws(Errno) -> Int {
        let result: Result<Int, Errno> = bytes.withUnsafeBytes { raw in
            do throws(Errno) {
                return .success(try write(raw, at: offset))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Reads from offset 0, as read(2) in a loop does, to the end or for `limit` reads.
    func readAll(_ size: Int, limit: Int = .max) throws(Errno) -> (lengths: [Int], bytes: [UInt8]) {
        var lengths: [Int] = []
        var bytes: [UInt8] = []
        while lengths.count < limit {
            let part = try read(at: UInt64(bytes.count), size: size).array
            lengths.append(part.count)
            bytes += part
            if part.isEmpty { break }
        }
        return (lengths, bytes)
    }
}

extension File {
    /// The whole text, as a new open file shows it.
    func content() throws(Errno) -> String {
        let opened = try open(.reading)
        defer { opened.close() }
        return String(decoding: try opened.readAll(1 << 20).bytes, as: UTF8.self)
    }

    /// Opens, writes once and closes.
    func store(_ text: String) throws(Errno) {
        let opened = try open(.writing)
        defer { opened.close() }
        try opened.write(text)
    }
}

extension Directory {
    /// The file at a path.
    func file(_ path: String) throws -> File {
        guard let file = try node(at: path) as? File else { throw Errno.isDirectory }
        return file
    }

    /// The folder at a path.
    func folder(_ path: String) throws -> Directory {
        guard let folder = try node(at: path) as? Directory else { throw Errno.notDirectory }
        return folder
    }

    /// mkdir(2).
    @discardableResult
    func mkdir(_ name: String) throws -> Directory {
        try makeItem(named: Array(name.utf8))
    }

    /// rmdir(2).
    func rmdir(_ name: String) throws {
        try removeItem(named: Array(name.utf8))
    }

    /// The names as getdents(2) lists them, without the dots.
    var names: [String] {
        OpenDirectory(self).entries(fromStart: true).dropFirst(2).map { String(decoding: $0.name, as: UTF8.self) }
    }
}

/// The error of a call; nil if it succeeds.
func refusal(_ call: () throws -> Void) -> Errno? {
    do {
        try call()
        return nil
    } catch let error as Errno {
        return error
    } catch {
        return Errno(rawValue: -1)
    }
}

/// The error of a call with a result; nil if it succeeds.
func refusal<Result>(of call: () throws -> Result) -> Errno? {
    refusal { _ = try call() }
}

/// Runs `body` in `count` threads that start together, and waits for all.
func inThreads(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let group = DispatchGroup()
    let waiting = Waiting(count)
    for index in 0..<count {
        group.enter()
        Thread.detachNewThread {
            waiting.untilAllAreHere()
            body(index)
            group.leave()
        }
    }
    group.wait()
}

private final class Waiting: Sendable {
    private let missing: Atomic<Int>

    init(_ count: Int) {
        missing = Atomic(count)
    }

    func untilAllAreHere() {
        missing.subtract(1, ordering: .acquiringAndReleasing)
        while missing.load(ordering: .acquiring) > 0 { sched_yield() }
    }
}

/// A number that many threads and closures can increment.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    /// Increments it and returns the number before.
    @discardableResult
    func next() -> Int { count.add(1, ordering: .acquiringAndReleasing).oldValue }

    var value: Int { count.load(ordering: .acquiring) }
}

/// A value that a test's closures can change.
final class Box<Value: Sendable>: Sendable {
    private let held: Mutex<Value>

    init(_ value: Value) {
        held = Mutex(value)
    }

    var value: Value {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }
}

/// Runs one closure at a time.
final class Lock: Sendable {
    private let mutex = Mutex(())

    func run(_ body: () -> Void) {
        mutex.withLock { _ in body() }
    }
}

extension DebugfsTableText {
    /// The line of a region with a list of CPUs.
    static func line(region: Int, cpus: CPUSet, into text: inout TextBuffer) {
        rest(cpus).withUnsafeBytes { line(region: region, $0, into: &text) }
    }
}

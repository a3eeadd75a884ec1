// SPDX-License-Identifier: Apache-2.0
// What libFuzzer calls: passes arbitrary bytes to a parser, and compares the result with a second parser. scripts/fuzz
// compiles this into one module with the parsers' own files.

import Glibc

/// The C library's value of these bytes as a number; nil unless it uses all of them.
private func libraryNumber(_ text: some Collection<UInt8>, base: Int32) -> UInt64? {
    var string = text.map { CChar(bitPattern: $0) } + [0]
    return string.withUnsafeMutableBufferPointer { buffer -> UInt64? in
        guard let start = buffer.baseAddress else { return nil }
        var end: UnsafeMutablePointer<CChar>?
        errno = 0
        let number = strtoull(start, &end, base)
        return errno == 0 && end == start + text.count ? number : nil
    }
}

/// What store methods parse: an accepted number must equal the C library's.
private func store(_ bytes: UnsafeRawBufferPointer) {
    let value = StoredText(bytes)
    var text = Array(bytes.prefix { $0 != 0 })
    if text.last == 0x0A { text.removeLast() }
    if let number = try? value.unsignedInt() { precondition(libraryNumber(text, base: 10) == UInt64(number)) }
    if let number = try? value.unsignedLongLong() { precondition(libraryNumber(text, base: 0) == number) }
    if let size = try? value.size() {
        let shift = "kmgtp".utf8.firstIndex(of: (text.last ?? 0) | 0x20)
            .map { "kmgtp".utf8.distance(from: "kmgtp".utf8.startIndex, to: $0) + 1 }
        let digits = shift == nil ? text[...] : text.dropLast()
        let number = libraryNumber(digits, base: 0)
        precondition(number.map { $0 << UInt64(10 * (shift ?? 0)) } == size)
    }
    if (try? value.duration()) != nil { precondition(text.first == 0x2B) }
    precondition(value.equals("running") == (text == Array("running".utf8)))
}

/// A list of CPUs: an accepted list must print as the same list.
private func cpuList(_ bytes: UnsafeRawBufferPointer) {
    guard let set = try? CPUList.parse(bytes, limit: 8192) else { return }
    let printed = CPUList.format(set)
    guard !set.isEmpty else { return }
    guard let again = try? CPUList.parse(printed, limit: 8192) else { fatalError("a printed list is refused") }
    precondition(CPUList.format(again) == printed && again.count == set.count)
    precondition((set.next(from: 8192) ?? 0) < 8192)
}

/// The targets by name. A parser of another format gets a line here, a folder of seeds, and its files in scripts/fuzz.
private let targets: [String: @Sendable (UnsafeRawBufferPointer) -> Void] = [
    "store": { store($0) },
    "cpulist": { cpuList($0) },
]

private let target = getenv("RMPFS_FUZZ_TARGET").flatMap { targets[String(cString: $0)] }

/// One input; a trap is a finding.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    guard let target else { fatalError("RMPFS_FUZZ_TARGET names no target") }
    target(UnsafeRawBufferPointer(start: data, count: size))
    return 0
}

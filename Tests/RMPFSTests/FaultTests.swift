// SPDX-License-Identifier: Apache-2.0
// Faults without a mount: which requests they strike, how often, and which changes are announced.

import Testing

@testable import RMPFS

@Suite struct FaultTests {
    /// A tree with `folder/file`, `group/` and the faults' own folder in `own/faults`.
    private let root = Directory(rules: .configfs, owner: .root)
    private let file = Attribute(owner: .root, show: { _ throws(Errno) in }, store: nil)
    private let table = FaultTable()
    private let shield: Directory

    init() {
        shield = FaultFiles(faults: table, owner: .root).folder()
        let folder = Directory(rules: .configfs, owner: .root)
        folder.add("file", file)
        let own = Directory(rules: .configfs, owner: .root)
        own.add("faults", shield)
        root.add(["folder": folder, "own": own])
    }

    /// A fault with settings.
    @discardableResult
    private func fault(_ path: String, _ settings: (inout FaultRule) -> Void) throws -> FaultTable.ID {
        let id = try table.add()
        try table.change(id) { rule throws(Errno) in
            rule.pattern = try GlobPattern(Array(path.utf8))
            settings(&rule)
        }
        return id
    }

    private func strike(_ operation: FaultOperation, _ path: String = "folder/file") throws -> FaultStrike? {
        table.strike(operation, on: try root.node(at: path))
    }

    private func child(_ operation: FaultOperation, _ name: String, in path: String) throws -> FaultStrike? {
        table.strike(operation, on: try root.node(at: path), child: Array(name.utf8))
    }

    @Test func paths() throws {
        #expect(root.path(of: nil) == Array(".".utf8))
        #expect(root.path(of: Array("x".utf8)) == Array("x".utf8))
        #expect(file.path(of: nil) == Array("folder/file".utf8))
        let item = try shield.mkdir("a")
        let count = try item.node(at: "count")
        #expect(count.path(of: nil) == Array("own/faults/a/count".utf8))
        try shield.rmdir("a")
        #expect(item.path(of: nil) == Array("own/faults/a".utf8), "what was removed keeps its path")
    }

    @Test func aPathOutlivesNoTree() {
        var root: Directory? = Directory(rules: .configfs, owner: .root)
        let file = Attribute(owner: .root, show: nil, store: nil)
        root?.add("file", file)
        #expect(file.path(of: nil) != nil)
        root = nil
        #expect(file.path(of: nil) == nil)
    }

    @Test func nothingStrikesByItself() throws {
        #expect(!table.isArmed)
        let id = try table.add()
        #expect(!table.isArmed, "a fault without settings")
        try table.change(id) { rule throws(Errno) in rule.error = .ioError }
        #expect(!table.isArmed, "no path")
        #expect(try strike(.read) == nil)
    }

    @Test func oneOperation() throws {
        try fault("folder/*") { rule in
            rule.operation = .read
            rule.error = .ioError
        }
        #expect(table.isArmed)
        #expect(try strike(.read)?.error == .ioError)
        for other in FaultOperation.allCases where other != .read { #expect(try strike(other) == nil, "\(other)") }
        #expect(try strike(.read, "folder") == nil)
    }

    @Test func anyOperation() throws {
        try fault("**") { $0.error = .ioError }
        for operation in FaultOperation.allCases where operation != .work {
            #expect(try strike(operation)?.error == .ioError, "\(operation)")
        }
        #expect(try strike(.work) == nil)
    }

    @Test func namesThatAreNotThere() throws {
        try fault("folder/new*") { rule in
            rule.operation = .makeFolder
            rule.error = .noSpace
        }
        #expect(try child(.makeFolder, "new1", in: "folder")?.error == .noSpace)
        #expect(try child(.makeFolder, "old", in: "folder") == nil)
    }

    @Test func severalAddUp() throws {
        try fault("**") { rule in
            rule.operation = .read
            rule.delay = 10
            rule.short = 100
        }
        try fault("folder/*") { rule in
            rule.error = .busy
            rule.short = 7
        }
        try fault("**/file") { rule in
            rule.delay = 5
            rule.error = .ioError
        }
        let struck = try #require(try strike(.read))
        #expect(struck.error == .busy)
        #expect(struck.short == 7)
        #expect(struck.delays.map(\.milliseconds) == [10, 5])
    }

    /// `cat`, `echo`, `ls`: a client that is delayed at each of its requests would wait several times for one action.
    @Test func aDelayOfAnyStrikesWhereAClientBegins() throws {
        let id = try fault("**") { $0.delay = 10 }
        #expect(table.isArmed)
        let begun: [FaultOperation] = [.open, .list, .makeFolder, .removeFolder]
        for operation in FaultOperation.allCases {
            let delays = try strike(operation)?.delays.map(\.milliseconds)
            #expect(delays == (begun.contains(operation) ? [10] : nil), "\(operation)")
        }
        #expect(try table.rule(id).hits == 4, "no request that goes on counts")
        #expect(table.strike(.list, on: try root.node(at: "folder"), isFirst: false) == nil, "the rest of a list")
        // A client that gets an error goes no further.
        try table.change(id) { rule throws(Errno) in rule.error = .ioError }
        for operation in [FaultOperation.lookup, .attributes, .read, .write] {
            #expect(try strike(operation)?.delays.map(\.milliseconds) == [10], "\(operation)")
        }
        // A fault that names an operation applies to each such request.
        try table.change(id) { rule throws(Errno) in (rule.error, rule.operation) = (nil, .list) }
        #expect(table.strike(.list, on: try root.node(at: "folder"), isFirst: false) != nil)
    }

    @Test func shortIsForReadsOnly() throws {
        let id = try fault("**") { $0.short = 0 }
        #expect(try strike(.read)?.short == 0)
        #expect(try strike(.open) == nil)
        #expect(try table.rule(id).hits == 1, "what a fault does nothing to is no hit")
    }

    @Test func countRunsOut() throws {
        let id = try fault("**") { rule in
            rule.error = .ioError
            rule.count = 2
        }
        #expect(try strike(.read) != nil)
        #expect(try strike(.open) != nil)
        #expect(try strike(.read) == nil)
        #expect(!table.isArmed, "spent, it costs nothing any more")
        #expect(try table.rule(id).hits == 2)
        #expect(try table.rule(id).count == 0)
        try table.change(id) { rule throws(Errno) in rule.count = nil }
        for _ in 0..<5 { #expect(try strike(.read) != nil) }
        #expect(try table.rule(id).hits == 7)
    }

    @Test func probabilityIsSeeded() throws {
        func run(_ table: FaultTable, _ id: FaultTable.ID, seed: UInt64) throws -> [Bool] {
            try table.change(id) { rule throws(Errno) in rule.seed = seed }
            return try (0..<400).map { _ in try strike(.read) != nil }
        }
        let id = try fault("**") { rule in
            rule.error = .ioError
            rule.probability = FaultRule.certain / 4
        }
        let first = try run(table, id, seed: 7)
        #expect(try run(table, id, seed: 7) == first, "the same seed, the same requests")
        #expect(try run(table, id, seed: 8) != first)
        let hits = first.count { $0 }
        #expect((60...140).contains(hits), "a quarter of 400, give or take 4.6 sigma; it was \(hits)")
        try table.change(id) { rule throws(Errno) in rule.probability = 0 }
        #expect(!table.isArmed)
    }

    @Test func inactiveAndGone() throws {
        let id = try fault("**") { $0.error = .ioError }
        try table.change(id) { rule throws(Errno) in rule.isActive = false }
        #expect(!table.isArmed)
        #expect(try strike(.read) == nil)
        try table.change(id) { rule throws(Errno) in rule.isActive = true }
        #expect(try strike(.read) != nil)
        table.remove(id)
        #expect(!table.isArmed)
        #expect(try strike(.read) == nil)
        #expect(refusal(of: { try table.rule(id) }) == .noSuchFile)
        #expect(refusal { try table.change(id) { _ throws(Errno) in } } == .noSuchFile)
    }

    @Test func theWayToFaultsStaysOpen() throws {
        try shield.mkdir("a")
        try fault("**") { $0.error = .ioError }
        for operation in FaultOperation.allCases {
            #expect(try strike(operation, "own/faults") == nil)
            #expect(try strike(operation, "own/faults/a/path") == nil)
            #expect(try child(operation, "a", in: "own/faults") == nil)
        }
        #expect(try child(.lookup, "own", in: "") == nil)
        #expect(try child(.lookup, "faults", in: "own") == nil)
        #expect(try strike(.attributes, "own") == nil)
        #expect(try strike(.attributes, "") == nil)
        #expect(try strike(.list, "own") != nil, "only the way is open, not all that lies on it")
        #expect(try child(.lookup, "other", in: "own") != nil)
    }

    @Test func theKernelIsToldToAsk() throws {
        let calls = Counter()
        table.tell(FaultTable.Listener(released: { _ in }, mustForget: { calls.next() }), for: table)
        let id = try fault("folder/*") { rule in
            rule.operation = .read
            rule.error = .ioError
        }
        #expect(!table.isForgetful)
        #expect(calls.value == 0)
        try table.change(id) { rule throws(Errno) in rule.operation = .attributes }
        #expect(table.isForgetful)
        #expect(calls.value == 1)
        #expect(table.concernsMemory(of: Array("folder/file".utf8)))
        #expect(!table.concernsMemory(of: Array("folder".utf8)))
        table.remove(id)
        #expect(!table.isForgetful)
    }

    @Test func whatIsHeldUpIsLetGo() throws {
        let table = FaultTable()
        let box = Box<[FaultTable.ID]>([])
        table.tell(FaultTable.Listener(released: { box.value += [$0] }, mustForget: {}), for: table)
        let (first, second) = (try table.add(), try table.add())
        try table.change(first) { rule throws(Errno) in rule.delay = 10 }
        #expect(box.value == [])
        try table.change(first) { rule throws(Errno) in rule.isActive = false }
        table.remove(second)
        #expect(box.value == [first, second])
    }

    @Test func workIsHeldWhileAFaultIsThere() throws {
        let calls = Box<[Bool]>([])
        let table = FaultTable { calls.value += [$0] }
        let (first, second) = (try table.add(), try table.add())
        try table.change(first) { rule throws(Errno) in rule.operation = .work }
        try table.change(second) { rule throws(Errno) in rule.operation = .work }
        #expect(calls.value == [true])
        #expect(!table.isArmed, "no request pays for it")
        #expect(try table.rule(first).hits == 1)
        table.remove(first)
        #expect(calls.value == [true])
        try table.change(second) { rule throws(Errno) in rule.isActive = false }
        #expect(calls.value == [true, false])
        try table.change(second) { rule throws(Errno) in rule.isActive = true }
        table.remove(second)
        #expect(calls.value == [true, false, true, false])
    }

    @Test func workThatCannotBeHeld() throws {
        let id = try table.add()
        #expect(refusal { try table.change(id) { rule throws(Errno) in rule.operation = .work } } == .notSupported)
        #expect(try table.rule(id).operation == .any)
    }

    @Test func thereIsALimit() throws {
        for _ in 0..<FaultTable.limit { _ = try table.add() }
        #expect(refusal(of: { try table.add() }) == .noSpace)
        #expect(refusal(of: { try shield.mkdir("one") }) == .noSpace)
        table.remove(1)
        try shield.mkdir("one")
    }

    @Test func manyThreads() throws {
        let id = try fault("**") { rule in
            rule.error = .ioError
            rule.count = 1000
        }
        let hits = Counter()
        let (table, file) = (table, file)
        inThreads(8) { _ in
            for _ in 0..<500 where table.strike(.read, on: file) != nil { hits.next() }
        }
        #expect(hits.value == 1000)
        #expect(try table.rule(id).count == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0
// Commands and answers as the fields of a recording's lines: one place for both directions, so that neither can drift.

public import RMPModel

/// The fields of a line.
public struct Fields: Sendable, Equatable {
    /// The value of a field.
    public enum Value: Sendable, Equatable {
        /// A number below 2^64.
        case number(UInt64)
        /// true or false.
        case flag(Bool)
        /// A text.
        case text(String)
    }

    /// In the order in which they are written.
    public private(set) var all: [(name: String, value: Value)] = []

    /// No fields.
    public init() {}

    /// These fields in this order.
    public init(_ fields: KeyValuePairs<String, Value>) { all = fields.map { ($0.key, $0.value) } }

    /// Adds a field behind the others.
    public mutating func add(_ name: String, _ value: Value) { all.append((name, value)) }

    /// Whether both have the same fields in the same order.
    public static func == (left: Fields, right: Fields) -> Bool {
        left.all.elementsEqual(right.all) { $0.name == $1.name && $0.value == $1.value }
    }

    private subscript(name: String) -> Value? { all.first { $0.name == name }?.value }

    /// A field that must be there.
    public func number(_ name: String) throws(RecordingError) -> UInt64 {
        guard case .number(let value)? = self[name] else { throw RecordingError("there is no number \"\(name)\"") }
        return value
    }

    /// A text that must be there.
    public func text(_ name: String) throws(RecordingError) -> String {
        guard case .text(let value)? = self[name] else { throw RecordingError("there is no text \"\(name)\"") }
        return value
    }

    /// A flag that must be there.
    public func flag(_ name: String) throws(RecordingError) -> Bool {
        guard case .flag(let value)? = self[name] else {
            throw RecordingError("there is no \"\(name)\" that is true or false")
        }
        return value
    }

    /// Whether there is such a field.
    public func has(_ name: String) -> Bool { self[name] != nil }

    fileprivate func int(_ name: String) throws(RecordingError) -> Int {
        guard let value = Int(exactly: try number(name)), value <= Int(Int32.max) else {
            throw RecordingError("\"\(name)\" is too large")
        }
        return value
    }

    fileprivate func id() throws(RecordingError) -> GuestID { GuestID(try number("guest")) }
    fileprivate func spa() throws(RecordingError) -> SPA { SPA(try number("spa")) }
    fileprivate func gpa() throws(RecordingError) -> GPA { GPA(try number("gpa")) }

    fileprivate func range<Bound: PhysicalAddress>() throws(RecordingError) -> Range<Bound> {
        let (start, end) = (try number("start"), try number("end"))
        if start > end { throw RecordingError("\"start\" is above \"end\"") }
        return Bound(start)..<Bound(end)
    }

    fileprivate func size() throws(RecordingError) -> PageSize {
        let bytes = try number("size")
        guard let size = PageSize.allCases.first(where: { $0.bytes == bytes }) else {
            throw RecordingError("\"size\": \(bytes) is not the size of a page")
        }
        return size
    }
}

/// Why a line, or a file, is not a recording, or not what a machine does.
public struct RecordingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason as a sentence.
    public let description: String
    /// The number of the line, from 1; nil if it is about the file.
    public let line: Int?

    /// An error with this sentence.
    public init(_ description: String, line: Int? = nil) { (self.description, self.line) = (description, line) }

    /// `FILE:LINE: sentence`, or without the line.
    public func message(in path: String) -> String { "\(path):\(line.map { "\($0):" } ?? "") \(description)" }
}

extension Command {
    /// The fields of a line, `do` first.
    public var fields: Fields {
        func range(_ range: Range<UInt64>, _ word: String, _ rest: KeyValuePairs<String, Fields.Value> = [:]) -> Fields
        {
            var fields = Fields(["do": .text(word)])
            fields.add("start", .number(range.lowerBound))
            fields.add("end", .number(range.upperBound))
            for (name, value) in rest { fields.add(name, value) }
            return fields
        }
        func guest(_ id: GuestID, _ word: String, _ rest: KeyValuePairs<String, Fields.Value> = [:]) -> Fields {
            var fields = Fields(["do": .text(word), "guest": .number(id.rawValue)])
            for (name, value) in rest { fields.add(name, value) }
            return fields
        }
        switch self {
        case .reoptimize: return Fields(["do": .text("reoptimize")])
        case .createGuest(let name): return Fields(["do": .text("create"), "name": .text(Escaped.text(name.bytes))])
        case .setGuestType(let id, let type): return guest(id, "type", ["type": .text(type.rawValue)])
        case .setGuestMemory(let id, let bytes): return guest(id, "memory", ["bytes": .number(bytes)])
        case .setGuestBacking(let id, let backing): return guest(id, "page_size", ["bytes": .number(backing.bytes)])
        case .setGuestPlacement(let id, let placement):
            var text: [UInt8] = []
            placement.append(to: &text)
            return guest(id, "placement", ["text": .text(String(decoding: text, as: UTF8.self))])
        case .setGuestNode(let id, let node):
            guard let node else { return guest(id, "node") }
            return guest(id, "node", ["node": .text(String(node))])
        case .setGuestVCPUs(let id, let count): return guest(id, "vcpus", ["count": .text(String(count))])
        case .createVM(let id): return guest(id, "create_vm")
        case .startGuest(let id): return guest(id, "start")
        case .stopGuest(let id): return guest(id, "stop")
        case .removeGuest(let id): return guest(id, "remove")
        case .setOnline(let cpu, let isOnline):
            return Fields(["do": .text("online"), "cpu": .number(UInt64(cpu)), "on": .flag(isOnline)])
        case .initializeFirmware: return Fields(["do": .text("init")])
        case .shutDownFirmware(let x86): return Fields(["do": .text("shutdown"), "x86": .flag(x86)])
        case .failFirmware(let count): return Fields(["do": .text("fail_init"), "count": .number(count)])
        case .failDecommission(let count): return Fields(["do": .text("fail_decommission"), "count": .number(count)])
        case .kexec(let cpus):
            guard let cpus else { return Fields(["do": .text("kexec")]) }
            let list = String(decoding: CPUList.format(cpus), as: UTF8.self)
            return Fields(["do": .text("kexec"), "cpus": .text(list), "limit": .number(UInt64(cpus.limit))])
        case .addMemory: return Fields(["do": .text("add_memory")])
        case .setHostMemory(let bytes): return Fields(["do": .text("host_memory"), "bytes": .number(bytes)])
        case .setPageCache(let bytes): return Fields(["do": .text("page_cache"), "bytes": .number(bytes)])
        case .holdPasses(let hold): return Fields(["do": .text("hold_passes"), "on": .flag(hold)])
        case .convert(let id, let gpa, let toPrivate):
            return range(gpa.raw, "convert", ["guest": .number(id.rawValue), "private": .flag(toPrivate)])
        case .validate(let id, let gpa, let size):
            return range(gpa.raw, "validate", ["guest": .number(id.rawValue), "size": .number(size.bytes)])
        case .leak(let pages): return range(pages.raw, "leak")
        case .rmpupdate(let spa, let input):
            return Fields([
                "do": .text("rmpupdate"), "spa": .number(spa.rawValue), "gpa": .number(input.gpa.rawValue),
                "assigned": .flag(input.assigned), "size": .number(input.pageSize.bytes),
                "immutable": .flag(input.immutable), "asid": .number(UInt64(input.asid)),
            ])
        case .psmash(let spa): return Fields(["do": .text("psmash"), "spa": .number(spa.rawValue)])
        case .firmwareChange(let spa, let change, let gpa):
            return Fields([
                "do": .text("firmware"), "spa": .number(spa.rawValue), "change": .text("\(change)"),
                "gpa": .number(gpa.rawValue),
            ])
        case .lock(let spa, let isLocked):
            return Fields(["do": .text("lock"), "spa": .number(spa.rawValue), "on": .flag(isLocked)])
        case .pvalidate(let spa, let gpa, let asid, let size, let validate):
            return Fields([
                "do": .text("pvalidate"), "spa": .number(spa.rawValue), "gpa": .number(gpa.rawValue),
                "asid": .number(UInt64(asid)), "size": .number(size.bytes), "on": .flag(validate),
            ])
        case .wrmsr(let cpu, let number, let value):
            return Fields([
                "do": .text("wrmsr"), "cpu": .number(UInt64(cpu)), "number": .number(UInt64(number)),
                "value": .number(value),
            ])
        case .rmpopt(let cpu, let spa, let function):
            return Fields([
                "do": .text("rmpopt"), "cpu": .number(UInt64(cpu)), "spa": .number(spa.rawValue),
                "function": .number(function),
            ])
        }
    }

    /// The command of a line.
    /// - Throws: `RecordingError` for an unknown word, or a field that is missing or wrong.
    public init(_ fields: Fields) throws(RecordingError) {
        func whole(_ name: String) throws(RecordingError) -> Int {
            guard let value = Int(try fields.text(name)) else { throw RecordingError("\"\(name)\" is not a number") }
            return value
        }
        switch try fields.text("do") {
        case "reoptimize": self = .reoptimize
        case "create": self = .createGuest(name: GuestName(bytes: try Escaped.bytes(fields.text("name"))))
        case "type":
            let word = try fields.text("type")
            guard let type = GuestType(rawValue: word) else {
                throw RecordingError("\"type\": \(word) is no type of a guest")
            }
            self = .setGuestType(try fields.id(), type)
        case "memory": self = .setGuestMemory(try fields.id(), bytes: try fields.number("bytes"))
        case "page_size":
            let bytes = try fields.number("bytes")
            guard let backing = Backing.allCases.first(where: { $0.bytes == bytes }) else {
                throw RecordingError("\"bytes\": \(bytes) is not the size of a folio")
            }
            self = .setGuestBacking(try fields.id(), backing)
        case "placement":
            let text = try fields.text("text")
            guard let placement = try? Placement(text: Array(text.utf8)) else {
                throw RecordingError("\"text\": \(text) is not a placement")
            }
            self = .setGuestPlacement(try fields.id(), placement)
        case "node": self = .setGuestNode(try fields.id(), fields.has("node") ? try whole("node") : nil)
        case "vcpus": self = .setGuestVCPUs(try fields.id(), try whole("count"))
        case "create_vm": self = .createVM(try fields.id())
        case "start": self = .startGuest(try fields.id())
        case "stop": self = .stopGuest(try fields.id())
        case "remove": self = .removeGuest(try fields.id())
        case "online": self = .setOnline(cpu: try fields.int("cpu"), try fields.flag("on"))
        case "init": self = .initializeFirmware
        case "shutdown": self = .shutDownFirmware(x86: try fields.flag("x86"))
        case "fail_init": self = .failFirmware(count: try fields.number("count"))
        case "fail_decommission": self = .failDecommission(count: try fields.number("count"))
        case "kexec":
            guard fields.has("cpus") else {
                self = .kexec()
                return
            }
            let list = Array(try fields.text("cpus").utf8)
            let limit = min(try fields.int("limit"), Topology.cpuLimits.upperBound)
            let parsed = list.withUnsafeBytes { bytes in try? CPUList.parse(bytes, limit: limit) }
            guard let parsed else { throw RecordingError("\"cpus\" is not a list of CPUs") }
            self = .kexec(online: parsed)
        case "add_memory": self = .addMemory
        case "host_memory": self = .setHostMemory(bytes: try fields.number("bytes"))
        case "page_cache": self = .setPageCache(bytes: try fields.number("bytes"))
        case "hold_passes": self = .holdPasses(try fields.flag("on"))
        case "convert":
            self = .convert(try fields.id(), gpa: try fields.range(), toPrivate: try fields.flag("private"))
        case "validate": self = .validate(try fields.id(), gpa: try fields.range(), try fields.size())
        case "leak": self = .leak(try fields.range())
        case "rmpupdate":
            guard let asid = UInt32(exactly: try fields.number("asid")) else {
                throw RecordingError("\"asid\" is too large")
            }
            let input = RMPUpdateInput(
                gpa: try fields.gpa(),
                assigned: try fields.flag("assigned"),
                pageSize: try fields.size(),
                immutable: try fields.flag("immutable"),
                asid: asid
            )
            self = .rmpupdate(try fields.spa(), input)
        case "psmash": self = .psmash(try fields.spa())
        case "firmware":
            let word = try fields.text("change")
            guard let change = FirmwareChange.allCases.first(where: { "\($0)" == word }) else {
                throw RecordingError("\"change\": there is no \(word)")
            }
            self = .firmwareChange(try fields.spa(), change, gpa: try fields.gpa())
        case "lock": self = .lock(try fields.spa(), try fields.flag("on"))
        case "pvalidate":
            guard let asid = UInt16(exactly: try fields.number("asid")) else {
                throw RecordingError("\"asid\" is too large")
            }
            self = .pvalidate(
                try fields.spa(),
                gpa: try fields.gpa(),
                asid: asid,
                try fields.size(),
                validate: try fields.flag("on")
            )
        case "wrmsr":
            guard let number = UInt32(exactly: try fields.number("number")) else {
                throw RecordingError("\"number\" is too large")
            }
            self = .wrmsr(cpu: try fields.int("cpu"), number, try fields.number("value"))
        case "rmpopt":
            self = .rmpopt(cpu: try fields.int("cpu"), try fields.spa(), function: try fields.number("function"))
        case let word: throw RecordingError("\"do\": there is no command \(word)")
        }
    }
}

extension Result<CommandResult, CommandError> {
    /// The answer as a recording has it; nil for the most usual one: done, or a pass that begins.
    public var recorded: String? {
        switch self {
        case .success(.done), .success(.pass(.begun)): nil
        case .success(.pass(let outcome)): "\(outcome)"
        case .success(.guest(let id)): "guest \(id.rawValue)"
        case .success(.work(let work)):
            "\(work.updates) \(work.smashes) \(work.measured) \(work.validations) \(work.nanoseconds)"
        case .success(.leaked(let pages)): "\(pages.raw.lowerBound)-\(pages.raw.upperBound)"
        case .success(.pvalidate(let outcome)): "\(outcome)"
        case .success(.carry(let isSet)): isSet ? "1" : "0"
        case .failure(let refusal): "refused: \(refusal)"
        }
    }
}

/// Names, which are bytes, as text of ASCII: what is no letter, digit or sign is a backslash and three octal digits.
enum Escaped {
    static func text(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            if byte > 0x20 && byte < 0x7F && byte != 0x5C {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "\\" + [6, 3, 0].map { String(byte >> $0 & 7) }.joined()
            }
        }
        return text
    }

    static func bytes(_ text: String) throws(RecordingError) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte != 0x5C {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(3)
            guard digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }),
                let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            else { throw RecordingError("a backslash without three octal digits") }
            bytes.append(value)
            rest = rest.dropFirst(3)
        }
        return bytes
    }
}

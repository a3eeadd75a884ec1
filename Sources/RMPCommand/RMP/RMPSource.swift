// SPDX-License-Identifier: Apache-2.0
// Where `rmpfs rmp` has registers and memory from: this host, a tree of files, a file, or a mount.

import Glibc
import RMPFS
import RMPImage
import RMPModel

/// Why an RMP cannot be read: what was looked at, what is wrong, and the remedy.
struct RMPSourceError: Error, CustomStringConvertible {
    let description: String

    init(_ name: String, _ text: String) { description = "\(Printable.text(name)): \(text)" }

    init(_ obstacle: RMPObstacle) { description = "\(obstacle.message). \(obstacle.remedy)" }
}

/// An RMP that was found.
struct RMPSource {
    /// What it is read from, for people.
    let name: String
    let registers: RMPRegisters
    let layout: RMPLayout
    let memory: any PhysicalMemory
    /// Where memory ends, in bytes; nil when nothing says.
    let end: UInt64?
    /// The host whose memory it is, for what a refusal means.
    private let host: Host?

    /// An RMP in a file.
    init(file: String, _ registers: RMPRegisters) throws(RMPSourceError) {
        let descriptor = try Self.open(file)
        let memory = FileMemory(
            descriptor: descriptor,
            isOwned: true,
            mappedIfPossibleAt: registers.base,
            isLive: false
        )
        try self.init(name: file, registers, memory, end: nil, host: nil)
    }

    /// The RMP of a simulated host.
    init(mount: String) throws(RMPSourceError) {
        let path = mount + "/rmpsim/memory/registers"
        guard let bytes = SystemFiles.contents(of: path) else {
            throw RMPSourceError(
                path,
                "\(Errno.current). Give the mountpoint of a simulated host; a real host needs no mountpoint"
            )
        }
        var values: [Substring: UInt64] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let value = RegisterValue(words[1])?.value else {
                throw RMPSourceError(
                    path,
                    "'\(line)' is not a name with a value. It was made by another rmpfs: update both"
                )
            }
            values[words[0]] = value
        }
        let registers = RMPRegisters(
            base: values["rmp_base"] ?? 0,
            end: values["rmp_end"] ?? 0,
            configuration: values["rmp_cfg"] ?? 0
        )
        if let syscfg = values["syscfg"], syscfg & MSRs.snpEnable == 0 { throw RMPSourceError(.snpOff(syscfg)) }
        let image = mount + "/rmpsim/memory/image"
        let memory = FileMemory(descriptor: try Self.open(image), isOwned: true, access: .read, isLive: true)
        try self.init(name: mount, registers, memory, end: values["memory_end"], host: nil)
    }

    /// The RMP of this host, or of a tree that stands for one.
    init(host: Host) throws(RMPSourceError) {
        func register(_ number: UInt32, _ name: String) throws(RMPSourceError) -> UInt64 {
            switch host.register(number) {
            case .success(let value): return value
            case .failure(let error): throw RMPSourceError(.register(name, error, on: host))
            }
        }
        let syscfg = try register(MSRs.Number.syscfg, "SYSCFG")
        if syscfg & MSRs.snpEnable == 0 { throw RMPSourceError(.snpOff(syscfg)) }
        let base = try register(MSRs.Number.rmpBase, "RMP_BASE")
        let end = try register(MSRs.Number.rmpEnd, "RMP_END")
        // A processor without the segmented RMP does not have the register.
        let configuration = (try? host.register(MSRs.Number.rmpConfiguration).get()) ?? 0
        let registers = RMPRegisters(base: base, end: end, configuration: configuration)
        let descriptor = host.openForReading(RMPObstacle.memoryDevice)
        if descriptor < 0 { throw RMPSourceError(.memory(.current, at: nil, on: host)) }
        try Self.check(descriptor, host.path(RMPObstacle.memoryDevice))
        let memory = FileMemory(
            descriptor: descriptor,
            isOwned: true,
            mappedIfPossibleAt: base,
            isLive: host.isLive
        )
        let name = host.isLive ? "this host" : host.root
        try self.init(name: name, registers, memory, end: host.memoryEnd, host: host, entries: host.segmentEntries)
    }

    private init(
        name: String,
        _ registers: RMPRegisters,
        _ memory: any PhysicalMemory,
        end: UInt64?,
        host: Host?,
        entries: Int = RSTEntry.limit
    ) throws(RMPSourceError) {
        self.name = name
        self.registers = registers
        self.memory = memory
        self.end = end
        self.host = host
        do throws(LocationError) {
            layout = try RMPLayout.find(registers, in: memory, entries: entries)
        } catch {
            throw Self.failure(error, name: name, host: host)
        }
    }

    private static func open(_ path: String) throws(RMPSourceError) -> Int32 {
        // A FIFO without a writer must not block.
        let descriptor = Glibc.open(path.systemName, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw RMPSourceError(path, "\(Errno.current)") }
        try check(descriptor, path)
        return descriptor
    }

    /// Closes what has no offsets: a folder, a FIFO, a socket.
    private static func check(_ descriptor: Int32, _ path: String) throws(RMPSourceError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, [S_IFREG, S_IFCHR, S_IFBLK].contains(status.st_mode & S_IFMT) else {
            close(descriptor)
            throw RMPSourceError(path, "this has no offsets. Give a file or a device")
        }
    }

    // MARK: Failures

    /// What an error of the scan means here.
    func failure(_ error: MemoryError) -> RMPSourceError { Self.failure(error, name: name, host: host) }

    private static func failure(_ error: MemoryError, name: String, host: Host?) -> RMPSourceError {
        if error.operation == .end {
            let at = Hexadecimal.text(error.address)
            return RMPSourceError(name, "ends at \(at), in the midst of the RMP. Give all of the RMP's memory")
        }
        let number = Errno(rawValue: error.number)
        guard let host else { return RMPSourceError(name, "\(error): \(number)") }
        return RMPSourceError(.memory(number, at: error.address, on: host))
    }

    private static func failure(_ error: LocationError, name: String, host: Host?) -> RMPSourceError {
        let remedy = host == nil ? "Give the registers of the host that the file is from" : "Look at rmpfs doctor"
        switch error {
        case .notReserved: return RMPSourceError(.notReserved)
        case .noEnd:
            if host != nil { return RMPSourceError(.noEnd) }
            return RMPSourceError(name, "\(RMPObstacle.noEnd.message). Give its --rmp-end or, if segmented, --rmp-cfg")
        case .value(let error): return RMPSourceError(name, "\(error). \(remedy)")
        case .rst(let index, let value, let address):
            return RMPSourceError(
                name,
                "entry \(index) of the segment table at \(Hexadecimal.text(address)) is \(Hexadecimal.word(value)), "
                    + "whose bits 63:52 are not zero: that is not a segment table. \(remedy)"
            )
        case .noSegments(let address):
            return RMPSourceError(
                name,
                "the segment table at \(Hexadecimal.text(address)) has no segments. \(remedy)"
            )
        case .memory(let error): return failure(error, name: name, host: host)
        }
    }
}

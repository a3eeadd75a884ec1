// SPDX-License-Identifier: Apache-2.0
// `rmpfs rmp`: a host's real RMP, read from user space: whose the pages of each gigabyte are, what RMPOPT could win.

import ArgumentParser
import Glibc
import RMPFS
import RMPImage
import RMPModel

struct RMPReadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rmp",
        abstract: "Read a host's RMP and show who owns the pages of each gigabyte.",
        discussion: """
            Without arguments it reads this host's: registers from /dev/cpu/0/msr, entries from /dev/mem, as root. It \
            reads and never writes. With --memory it reads a file whose offsets are physical addresses; with a \
            mountpoint, the RMP of the simulated host that is mounted there.
            """
    )

    @Option(
        help: ArgumentHelp("Memory as a file: its offsets are physical addresses, holes are zeros.", valueName: "file"),
        completion: .file()
    )
    var memory: String?

    @OptionGroup var registers: RegisterOptions

    @Option(
        help: ArgumentHelp("Read a tree of files that stands for another machine.", valueName: "dir"),
        completion: .directory
    )
    var sysroot: String?

    @Option(
        help: ArgumentHelp(
            "Where memory ends, whole gigabytes such as 64G; by default as in /proc/iomem, or everything that the RMP "
                + "covers.",
            valueName: "size"
        ),
        transform: MemorySize.parseEnd
    )
    var end: MemorySize?

    @Option(
        help: ArgumentHelp(
            "The entries' form: raw, as the processor keeps them, or rmpread, as RMPREAD stores them.",
            valueName: "form"
        )
    )
    var form = FormArgument.raw

    @Flag(help: "Read the entries of 2 MB-aligned pages, and of the others only those whose subpage count requires it.")
    var quick = false

    @Option(
        help: ArgumentHelp(
            "Number of reading threads, 1 to 64. (default: one for each CPU, at most 8)",
            valueName: "n"
        )
    )
    var threads: Int?

    @Flag(help: "Print JSON for programs.")
    var json = false

    @Flag(help: "Print a line for each owner in each gigabyte, separated by commas.")
    var csv = false

    @Flag(help: "Show the gigabytes as a picture.")
    var map = false

    @Option(help: ArgumentHelp("Write the picture to a file as SVG.", valueName: "file"), completion: .file())
    var svg: String?

    @Option(
        help: ArgumentHelp("Decode the entry of the page at this address: 0x40000000, 1G.", valueName: "address"),
        transform: MemorySize.parseAddress
    )
    var page: MemorySize?

    @Argument(
        help: ArgumentHelp("Where a simulated host is mounted.", valueName: "mountpoint"),
        completion: .directory
    )
    var mountPoint: String?

    func validate() throws {
        if [memory, sysroot, mountPoint].compactMap(\.self).count > 1 {
            throw ValidationError("--memory, --sysroot and a mountpoint are three hosts: give one of them")
        }
        try registers.check(for: "--memory", memory != nil)
        let ways = [("--json", json), ("--csv", csv), ("--map", map), ("--page", page != nil)].filter(\.1).map(\.0)
        if ways.count > 1 && !(ways == ["--json", "--page"]) {
            throw ValidationError("\(ways.joined(separator: " and ")): give one of them")
        }
        if let threads, !(1...64).contains(threads) { throw ValidationError("--threads \(threads): not 1 to 64") }
        if let sysroot, !Host().isFolder(sysroot) {
            throw ValidationError("--sysroot \(sysroot): no such folder. Give one with dev and proc in it")
        }
    }

    func run() throws {
        do {
            let source = try open()
            let rmp = ScannedRMP(source.layout, form: form.form)
            if let page { return try show(page, of: rmp, in: source) }
            let survey = try scan(rmp, in: source)
            let screen = Screen.current
            if let svg {
                let picture = RegionPicture(RegionSnapshot(survey), columns: Self.columnsOfSVG)
                try StandardOutput.write(picture.svg(title: "RMP of \(source.name)"), toFile: svg)
                if !json && !csv && !map { return }
            }
            if map {
                let picture = RegionPicture(RegionSnapshot(survey), columns: screen.columns, rows: screen.rows)
                let lines = picture.lines(on: screen)
                return try StandardOutput.write(lines.map { $0 + "\n" }.joined())
            }
            try StandardOutput.write(
                json ? survey.json(source).text : csv ? survey.commaSeparated : survey.text(source)
            )
        } catch let error as ExitCode {
            throw error
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }

    /// Columns of an SVG picture's text: rows of 64 cells.
    private static let columnsOfSVG = 140

    private func open() throws(RMPSourceError) -> RMPSource {
        if let memory { return try RMPSource(file: memory, registers.registers) }
        if let mountPoint { return try RMPSource(mount: mountPoint) }
        return try RMPSource(host: Host(sysroot: sysroot))
    }

    private func scan(_ rmp: ScannedRMP, in source: RMPSource) throws(RMPSourceError) -> Survey {
        let unit = Granularity.region
        let end = end?.bytes ?? source.end
        let regions = end.map { 0..<Int(truncatingIfNeeded: ($0 + unit - 1) / unit) } ?? rmp.regions
        let depth = quick ? ScanDepth.quick : .full
        let count = threads ?? min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), 8)
        do throws(MemoryError) {
            let result = try rmp.scan(regions, in: source.memory, depth: depth, threads: count)
            return Survey(rmp, depth, result)
        } catch {
            throw source.failure(error)
        }
    }

    private func show(_ address: MemorySize, of rmp: ScannedRMP, in source: RMPSource) throws {
        let reading: PageReading?
        do throws(MemoryError) {
            reading = try rmp.page(at: SPA(address.bytes), in: source.memory)
        } catch {
            throw source.failure(error)
        }
        guard let reading else {
            let name = Hexadecimal.text(address.bytes & ~0xfff)
            throw RMPSourceError("page \(name)", "no RMP entry covers it: its state is Default, as hypervisor-owned")
        }
        try StandardOutput.write(json ? reading.json(form.form).text : reading.text(form.form))
    }
}

extension MemorySize {
    /// The address of an argument, or what to write instead.
    fileprivate static func parseAddress(_ argument: String) throws -> MemorySize {
        guard let address = MemorySize(argument: argument) else {
            throw ValidationError("write an address such as 0x40000000, 1073741824 or 1G")
        }
        return address
    }

    fileprivate static func parseEnd(_ argument: String) throws -> MemorySize {
        let size = try parse(argument)
        if let problem = size.endOfRegionsProblem { throw ValidationError(problem) }
        return size
    }
}

/// The form of the entries, as an argument.
enum FormArgument: String, ExpressibleByArgument, CaseIterable {
    case raw
    case rmpread

    var form: EntryForm { self == .raw ? .raw : .rmpread }
}

/// Numbers as addresses are written.
enum Hexadecimal {
    static func text(_ value: UInt64) -> String { "0x" + String(value, radix: 16) }

    /// With all sixteen digits.
    static func word(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return "0x" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}

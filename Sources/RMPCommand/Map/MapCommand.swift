// SPDX-License-Identifier: Apache-2.0
// `rmpfs map`: the regions of a mount as a picture, once or again and again.

import ArgumentParser
import Glibc
import RMPFS

struct MapCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "map",
        abstract: "Show the regions of a mount as a picture.",
        discussion: """
            A cell is one region of 1 GB, or several where there are too many for the terminal. Colours need a \
            terminal; with NO_COLOR set, or in a pipe, the letters alone say the same.
            """
    )

    @Option(
        defaultAsFlag: WatchInterval(seconds: 1),
        help: ArgumentHelp("Draw again every so many seconds, 0.1 to 3600, until q or Ctrl-C.", valueName: "seconds"),
        completion: .list(["1", "2", "10"])
    )
    var watch: WatchInterval?

    @Option(help: ArgumentHelp("Write the picture to a file as SVG.", valueName: "file"), completion: .file())
    var svg: String?

    @Argument(help: ArgumentHelp("Where the host is mounted.", valueName: "mountpoint"), completion: .directory)
    var mountPoint: String

    /// Columns of an SVG picture's text: rows of 64 or 128 cells.
    private static let columnsOfSVG = 140

    func validate() throws {
        if let watch, !WatchInterval.limits.contains(watch.seconds) {
            throw ValidationError("--watch \(watch): not 0.1 to 3600 seconds")
        }
    }

    func run() throws {
        do {
            guard let watch else { return try draw(on: .current) }
            try Self.watch(every: watch.microseconds) { screen in try draw(on: screen) }
        } catch let error as ExitCode {
            throw error
        } catch {
            StandardError.write("rmpfs: \(error)\n")
            throw ExitCode.failure
        }
    }

    private func draw(on screen: Screen, clearing: Bool = false) throws {
        let snapshot = try RegionSnapshot(of: MountFolder(mountPoint))
        if let svg {
            let picture = RegionPicture(snapshot, columns: Self.columnsOfSVG)
            try StandardOutput.write(picture.svg(title: title), toFile: svg)
            if watch == nil { return }
        }
        let lines = RegionPicture(snapshot, columns: screen.columns, rows: screen.rows).lines(on: screen)
        let isWatched = watch != nil && screen.rows != nil
        // From the top of the window: overwrite line by line, then clear what is left of the old picture.
        let text =
            isWatched
            ? "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
            : lines.map { $0 + "\n" }.joined() + (watch == nil ? "" : "\n")
        try StandardOutput.write(text)
    }

    /// Which host it is, its version of the series, and the time.
    private var title: String {
        let path = MountPoint.resolve(mountPoint) ?? mountPoint
        let text = SystemFiles.contents(of: mountPoint + "/debug/rmpopt/series").map {
            String(decoding: $0, as: UTF8.self)
        }
        let series = text?.split(separator: "\n").first { $0.hasPrefix("series: ") }.map { "series " + $0.dropFirst(8) }
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        var buffer = [CChar](repeating: 0, count: 64)
        strftime(&buffer, buffer.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
        return ([Printable.text(path)] + (series.map { [$0] } ?? []) + [String(systemName: buffer)]).joined(
            separator: ", "
        )
    }

    /// Calls `draw` until the key q, SIGINT, SIGTERM or SIGHUP; then ends with status 0.
    private static func watch(every microseconds: UInt32, _ draw: (Screen) throws -> Void) throws {
        let pause = WatchPause()
        let isWindow = Screen.current.rows != nil
        // The alternate screen, without a cursor: the window's contents come back at the end.
        if isWindow { try StandardOutput.write("\u{1B}[?1049h\u{1B}[?25l") }
        defer { if isWindow { try? StandardOutput.write("\u{1B}[?25h\u{1B}[?1049l") } }
        repeat {
            try draw(.current)
        } while pause.wait(microseconds: microseconds)
    }
}

/// Seconds between two pictures.
struct WatchInterval: ExpressibleByArgument, CustomStringConvertible, Sendable, Equatable {
    /// NaN for a word that is not a number.
    let seconds: Double
    /// As it was given, and as help texts have it.
    let description: String

    static let limits = 0.1...3600.0

    init(seconds: Int) { (self.seconds, description) = (Double(seconds), "\(seconds)") }

    var microseconds: UInt32 { UInt32(min(seconds, Self.limits.upperBound) * 1_000_000) }

    /// Also accepts whatever begins with a digit, so that `--watch 5s` gets a useful message. Any other word, and any
    /// folder, is the mount point.
    init?(argument: String) {
        let number = Double(argument).flatMap { $0.isFinite ? $0 : nil }
        let isLikeNumber = argument.utf8.first.map { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
        guard number != nil || isLikeNumber && !Host().isFolder(argument) else { return nil }
        (seconds, description) = (number ?? .nan, argument)
    }
}

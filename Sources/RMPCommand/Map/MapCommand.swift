// SPDX-License-Identifier: Apache-2.0
// `rmpfs map`: the regions of a mount as a picture, once or again and again.

import ArgumentParser
import Glibc

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
        defaultAsFlag: WatchInterval(microseconds: 1_000_000),
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
            try StandardOutput.write(RegionPicture(snapshot, columns: Self.columnsOfSVG).svg, toFile: svg)
            if watch == nil { return }
        }
        let lines = RegionPicture(snapshot, columns: screen.columns, rows: screen.rows).lines(on: screen)
        let isWatched = watch != nil && screen.rows != nil
        // From the top of the window, each line over the old one, then what the old picture had below.
        let text =
            isWatched
            ? "\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
            : lines.map { $0 + "\n" }.joined() + (watch == nil ? "" : "\n")
        try StandardOutput.write(text)
    }

    /// Calls `draw` until the key q, SIGINT, SIGTERM or SIGHUP comes, which ends with 0.
    private static func watch(every microseconds: UInt32, _ draw: (Screen) throws -> Void) throws {
        let pause = WatchPause()
        let isWindow = Screen.current.rows != nil
        // The other screen, without a cursor: what was in the window comes back at the end.
        if isWindow { try StandardOutput.write("\u{1B}[?1049h\u{1B}[?25l") }
        defer { if isWindow { try? StandardOutput.write("\u{1B}[?25h\u{1B}[?1049l") } }
        repeat {
            try draw(.current)
        } while pause.wait(microseconds: microseconds)
    }
}

/// Seconds between two pictures.
struct WatchInterval: ExpressibleByArgument, CustomStringConvertible, Sendable, Equatable {
    let microseconds: UInt32

    init(microseconds: UInt32) { self.microseconds = microseconds }

    /// As it stands in help texts.
    var description: String {
        microseconds % 1_000_000 == 0 ? "\(microseconds / 1_000_000)" : "\(Double(microseconds) / 1_000_000)"
    }

    init?(argument: String) {
        guard let seconds = Double(argument), seconds >= 0.1, seconds <= 3600 else { return nil }
        microseconds = UInt32(seconds * 1_000_000)
    }
}

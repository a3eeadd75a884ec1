// SPDX-License-Identifier: Apache-2.0
// Runs a laboratory to its end: keeps what is finished, shows how far it is, and ends at SIGINT and SIGTERM.

import Glibc
import PolicyLab
import Synchronization

/// Whether a signal has asked for an end.
private let interrupted = Atomic(false)

/// Drives a laboratory.
struct LaboratoryDriver {
    private let laboratory: Laboratory
    private let jobs: Int
    /// How often it looks, in microseconds.
    private static let pause: UInt32 = 20_000

    init(_ scenario: Scenario, _ runs: [Run], jobs: Int) {
        laboratory = Laboratory(scenario, runs: runs)
        self.jobs = jobs
    }

    /// Carries out all runs.
    ///
    /// - Parameter keep: is given each finished run.
    /// - Returns: whether a signal has ended it early.
    func run(_ keep: (Laboratory.Finished) throws -> Void) throws -> Bool {
        interrupted.store(false, ordering: .relaxed)
        let old = [SIGINT, SIGTERM].map { number in
            (number, signal(number) { _ in interrupted.store(true, ordering: .relaxed) })
        }
        defer { for (number, handler) in old { signal(number, handler) } }
        guard laboratory.start(jobs: jobs) else {
            throw SimulateError(description: "no thread can be started: \(String(cString: strerror(errno)))")
        }
        var line = ProgressLine()
        while true {
            if interrupted.load(ordering: .relaxed) { laboratory.stop() }
            let (finished, progress) = laboratory.poll()
            do {
                for run in finished { try keep(run) }
            } catch {
                laboratory.stop()
                while !laboratory.poll().progress.isOver { usleep(LaboratoryDriver.pause) }
                line.clear()
                throw error
            }
            if progress.isOver {
                // What was finished between the two.
                for run in laboratory.poll().finished { try keep(run) }
                line.clear()
                return interrupted.load(ordering: .relaxed) && progress.runsDone < progress.runs
            }
            line.show(progress)
            usleep(LaboratoryDriver.pause)
        }
    }
}

/// The line on a terminal that says how far it is.
private struct ProgressLine {
    private let isShown = isatty(STDERR_FILENO) == 1
    private let start = ProgressLine.now
    private var last = 0.0

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    mutating func show(_ progress: Laboratory.Progress) {
        let now = ProgressLine.now
        if !isShown || now - last < 0.2 || progress.hosts == 0 { return }
        last = now
        let share = Double(progress.hostsDone) / Double(progress.hosts)
        let passed = now - start
        var text = "\(Int(share * 100)) %  \(progress.runsDone) of \(progress.runs) runs"
        if progress.hostsDone > 0 {
            text += "  \(Int(Double(progress.guestsDone) / passed)) guests/s"
            text += "  \(ProgressLine.duration(passed * (1 - share) / share)) left"
        }
        StandardError.write("\r\u{1B}[K" + text)
    }

    func clear() { if isShown && last > 0 { StandardError.write("\r\u{1B}[K") } }

    private static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        if whole < 100 { return "\(whole) s" }
        return whole < 6_000 ? "\((whole + 59) / 60) min" : "\((whole + 3_599) / 3_600) h"
    }
}

// SPDX-License-Identifier: Apache-2.0
// Many runs on several threads: which thread takes which host of which run decides nothing but the time it takes.

import Glibc
import RMPModel
import Synchronization

/// Carries out runs.
public final class Laboratory: Sendable {
    /// How far it is.
    public struct Progress: Sendable {
        /// Hosts done, and all hosts.
        public var hostsDone = 0
        /// All hosts of all runs.
        public var hosts = 0
        /// Runs done.
        public var runsDone = 0
        /// All runs.
        public var runs = 0
        /// Guests of the hosts that are done.
        public var guestsDone = 0
        /// Whether nothing is left to do.
        public var isOver = false
    }

    /// What a run has led to.
    public struct Finished: Sendable {
        /// The run.
        public let run: Run
        /// Its line of `results.csv`.
        public let line: String
        /// Its timeline.
        public let timeline: String
    }

    private struct Open {
        let run: PreparedRun
        /// The hosts that no thread has begun with, those with the most guests last: these are taken first, so that no
        /// thread is left alone with a long one.
        var waiting: [Int]
        var tallies: [HostTally?]
        var left: Int

        init(_ run: PreparedRun) {
            self.run = run
            waiting = (0..<run.hosts).reversed().sorted { run.work(ofHost: $0) < run.work(ofHost: $1) }
            tallies = Array(repeating: nil, count: run.hosts)
            left = run.hosts
        }
    }

    private struct State {
        var waiting: ArraySlice<Run>
        var open: [Open] = []
        var outlines: [String: HostOutline] = [:]
        var finished: [Finished] = []
        var progress = Progress()
        /// Threads that are making a run ready.
        var preparing = 0
        var workers = 0
    }

    private let scenario: Scenario
    private let state: Mutex<State>
    private let stops = Atomic(false)

    /// - Parameter runs: the runs to carry out.
    public init(_ scenario: Scenario, runs: [Run]) {
        self.scenario = scenario
        var progress = Progress()
        progress.runs = runs.count
        progress.hosts = runs.count * scenario.hosts
        state = Mutex(State(waiting: runs[...], progress: progress))
    }

    /// Starts `jobs` threads. Fewer are slower, but not an error.
    ///
    /// - Returns: whether there is at least one.
    public func start(jobs: Int) -> Bool {
        var count = 0
        state.withLock { $0.workers = max(jobs, 1) }
        for _ in 0..<max(jobs, 1) {
            var thread = pthread_t()
            let reference = Unmanaged.passRetained(self)
            if pthread_create(&thread, nil, runLaboratory, reference.toOpaque()) == 0 {
                pthread_detach(thread)
                count += 1
            } else {
                reference.release()
                state.withLock { $0.workers -= 1 }
            }
        }
        return count > 0
    }

    /// Abandons what is under way.
    public func stop() { stops.store(true, ordering: .relaxed) }

    /// What has been finished since the last call, and how far it is.
    public func poll() -> (finished: [Finished], progress: Progress) {
        state.withLock { state in
            defer { state.finished = [] }
            var progress = state.progress
            progress.isOver = state.workers == 0
            return (state.finished, progress)
        }
    }

    private enum Task {
        case host(slot: Int, PreparedRun, host: Int)
        case prepare(Run)
        case wait
        case none
    }

    fileprivate func work() {
        var isOver = false
        while !isOver && !stops.load(ordering: .relaxed) {
            switch state.withLock({ next(&$0) }) {
            case .host(_, let run, let host): simulate(run, host)
            case .prepare(let run): prepare(run)
            case .wait: usleep(1_000)
            case .none: isOver = true
            }
        }
        state.withLock { $0.workers -= 1 }
    }

    private func next(_ state: inout State) -> Task {
        for slot in state.open.indices {
            guard let host = state.open[slot].waiting.popLast() else { continue }
            return .host(slot: slot, state.open[slot].run, host: host)
        }
        if let run = state.waiting.popFirst() {
            state.preparing += 1
            return .prepare(run)
        }
        return state.preparing > 0 ? .wait : .none
    }

    private func prepare(_ run: Run) {
        let key = scenario.outlineKey(of: run)
        let known = state.withLock { $0.outlines[key] }
        let outline = known ?? scenario.outline(of: run)
        let prepared = PreparedRun(run, of: scenario, outline: outline)
        state.withLock { state in
            state.outlines[key] = outline
            state.preparing -= 1
            state.open.append(Open(prepared))
        }
    }

    private func simulate(_ run: PreparedRun, _ host: Int) {
        guard let tally = run.simulate(host: host, goesOn: { !stops.load(ordering: .relaxed) }) else { return }
        let tallies: [HostTally]? = state.withLock { state in
            state.progress.hostsDone += 1
            state.progress.guestsDone += run.work(ofHost: host)
            guard let slot = state.open.firstIndex(where: { $0.run.run.number == run.run.number }) else { return nil }
            state.open[slot].tallies[host] = tally
            state.open[slot].left -= 1
            if state.open[slot].left > 0 { return nil }
            return state.open.remove(at: slot).tallies.compactMap { $0 }
        }
        guard let tallies else { return }
        let results = run.results(tallies)
        state.withLock { state in
            state.progress.runsDone += 1
            state.finished.append(Finished(run: run.run, line: results.line, timeline: results.timeline))
        }
    }
}

/// The body of a thread, outside any actor.
private func runLaboratory(_ reference: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    if let reference { Unmanaged<Laboratory>.fromOpaque(reference).takeRetainedValue().work() }
    return nil
}

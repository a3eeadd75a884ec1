// SPDX-License-Identifier: Apache-2.0
// One host through a whole workload.

import RMPModel

/// What running SNP guests do to their memory.
struct Conversions: Sendable, Hashable {
    /// How often an hour each SNP guest makes memory shared, on average; 0 for never.
    var perHour = 0.0
    /// How much at a time, in bytes.
    var size: UInt64 = 2 << 20
    /// For how long, in ns.
    var hold: UInt64 = 60_000_000_000
}

/// A host and its guests from the first moment to the last.
struct HostRun<Host: WorkloadHost> {
    var host: Host
    /// In order of arrival.
    let guests: [GuestSpec]
    let conversions: Conversions
    let period: UInt64?
    let start: UInt64
    let end: UInt64
    let seed: UInt64

    /// Runs it.
    ///
    /// - Parameter goesOn: asked now and then; false abandons the run.
    /// - Returns: what was measured; nil if it was abandoned.
    mutating func run(goesOn: () -> Bool) -> HostTally? {
        var queue = EventQueue()
        var next = 0
        var count = 0
        var randoms: [Int: Random] = [:]
        var hasBegun = start == 0
        if let period { queue.push(WorkloadEvent(time: period, kind: .tick, guest: 0)) }
        while true {
            count += 1
            if count & 1023 == 0 && !goesOn() { return nil }
            let arrival = next < guests.count ? guests[next].arrival : .max
            let event = queue.next
            let time = min(arrival, event?.time ?? .max)
            if !hasBegun && time >= start {
                host.beginMeasuring(at: start)
                hasBegun = true
            }
            if time >= end { break }
            if let event, event.time <= arrival {
                _ = queue.pop()
                apply(event, &queue, &randoms)
                continue
            }
            let spec = guests[next]
            if host.start(next, spec, at: time) {
                if let life = spec.lifetime {
                    queue.push(WorkloadEvent(time: time.advanced(clamping: life), kind: .end, guest: next))
                }
                if spec.isSNP == true && conversions.perHour > 0 {
                    var random = Random(seed: seed, use: 1_000 + UInt64(next))
                    queue.push(WorkloadEvent(time: time + pause(&random), kind: .share, guest: next))
                    randoms[next] = random
                }
            }
            next += 1
        }
        host.finish(at: end)
        return host.tally
    }

    private func pause(_ random: inout Random) -> UInt64 {
        UInt64(min(random.exponential() / conversions.perHour * 3_600e9, 1e18))
    }

    private mutating func apply(_ event: WorkloadEvent, _ queue: inout EventQueue, _ randoms: inout [Int: Random]) {
        switch event.kind {
        case .end:
            host.end(event.guest, at: event.time)
            randoms[event.guest] = nil
        case .tick:
            host.tick(at: event.time)
            if let period { queue.push(WorkloadEvent(time: event.time + period, kind: .tick, guest: 0)) }
        case .share:
            guard var random = randoms[event.guest] else { return }
            let size = Int(conversions.size >> 12)
            let places = guests[event.guest].pages / max(size, 1)
            if places > 0 {
                let first = random.next(below: places) * size
                host.convert(event.guest, first..<(first + size), toPrivate: false, at: event.time)
            }
            randoms[event.guest] = random
            let back = event.time.advanced(clamping: conversions.hold)
            queue.push(WorkloadEvent(time: back, kind: .makePrivate, guest: event.guest))
        case .makePrivate:
            guard var random = randoms[event.guest] else { return }
            host.convert(event.guest, 0..<0, toPrivate: true, at: event.time)
            queue.push(WorkloadEvent(time: event.time + pause(&random), kind: .share, guest: event.guest))
            randoms[event.guest] = random
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// What happened since boot, kept for readers who come later: the last events as plain values, which cost nothing to
// look at and become text only when somebody reads.

/// An event as the log keeps it.
public struct LoggedEvent: Sendable, Hashable {
    /// When it happened, in ns of virtual time since boot.
    public let time: UInt64
    /// What happened; `regionCleared` has the first of ``regions``.
    public let event: MachineEvent
    /// The name of the guest that it is about; nil if it is about none.
    public let guest: GuestName?
    /// The regions that were cleared one after the other, if that is what happened.
    public internal(set) var regions: ClosedRange<Int>?

    /// An event of a recording, as the log would keep it.
    public init(time: UInt64, event: MachineEvent, guest: GuestName?, regions: ClosedRange<Int>? = nil) {
        self.time = time
        self.event = event
        self.guest = guest
        self.regions = regions
    }
}

/// The last events of a machine, numbered from 0 at boot.
///
/// Bounded: the oldest 1,024 are dropped when there are 32,768. That is 4 MB, plus names and the text of log lines. A
/// copy is a reference until one of the two changes, and then shares all but the newest 1,024.
public struct EventLog: Sendable {
    /// The fewest events that are kept, once there have been that many, and the most.
    public static let limits = (parts - 1) * partSize...parts * partSize
    private static let partSize = 1_024
    private static let parts = 32

    /// An event without its guest's name, which is in the part's `names`. A separate copy would lie among the guest's
    /// own data, and keep a page of that from going back to the system when the guest is gone.
    private struct Entry: Sendable {
        let time: UInt64
        let event: MachineEvent
        let name: Range<Int>?
        /// The set of a ``MachineEvent/passTurn(number:_:_:_:)``. Inside the event, Swift keeps the kind in unused bits
        /// of the set's pointer, so LeakSanitizer does not see that anything refers to it.
        let cpus: CPUSet?
        let regions: ClosedRange<Int>?
    }

    /// Events that are dropped together.
    private struct Part: Sendable {
        var entries: [Entry] = []
        var names: [UInt8] = []

        mutating func append(_ logged: LoggedEvent) {
            if entries.isEmpty { entries.reserveCapacity(EventLog.partSize) }
            var event = logged.event
            var cpus: CPUSet?
            switch event {
            case .guestCreated(let id, _): event = .guestCreated(id, name: "")
            case .passTurn(let number, let turn, let interrupts, let set):
                event = .passTurn(number: number, turn, interrupts, CPUSet(limit: 0))
                cpus = set
            default: break
            }
            let name = logged.guest.map { names.count..<names.count + $0.bytes.count }
            names += logged.guest?.bytes ?? []
            entries.append(Entry(time: logged.time, event: event, name: name, cpus: cpus, regions: logged.regions))
        }

        subscript(index: Int) -> LoggedEvent {
            let entry = entries[index]
            let guest = entry.name.map { GuestName(bytes: Array(names[$0])) }
            var event = entry.event
            switch event {
            case .guestCreated(let id, _): event = .guestCreated(id, name: guest ?? "")
            case .passTurn(let number, let turn, let interrupts, let none):
                event = .passTurn(number: number, turn, interrupts, entry.cpus ?? none)
            default: break
            }
            return LoggedEvent(time: entry.time, event: event, guest: guest, regions: entry.regions)
        }
    }

    /// What the log keeps, in one word: whoever copies a machine copies a reference.
    ///
    /// Unchecked: only a log that is its sole holder changes it.
    private final class Storage: @unchecked Sendable {
        /// Full parts, the oldest first.
        var full: [Part] = []
        var newest = Part()
        var first: UInt64 = 0
        var count: UInt64 = 0
        /// Regions that a command is clearing: one event, once it is known how far they go.
        var clearing: LoggedEvent?
        /// The names of the guests that exist, or are still ending.
        var names: [GuestID: GuestName] = [:]
        /// Those that were removed and are still ending.
        var removed: Set<GuestID> = []

        init() {}

        init(_ other: Storage) {
            (full, newest, first, count) = (other.full, other.newest, other.first, other.count)
            (clearing, names, removed) = (other.clearing, other.names, other.removed)
        }
    }

    private var storage = Storage()

    /// The number of the oldest event that is kept, and so how many are lost.
    public var first: UInt64 { storage.first }
    /// How many events there have been, and so the number of the next one.
    public var count: UInt64 { storage.count }

    init() {}

    /// To be called before a change.
    private mutating func own() {
        if !isKnownUniquelyReferenced(&storage) { storage = Storage(storage) }
    }

    mutating func note(_ event: MachineEvent, at time: UInt64) {
        // There are so many of these that a pass over a large host would leave room for nothing else.
        if case .regionOptimized = event { return }
        own()
        var guest: GuestName?
        switch event {
        case .regionCleared(let region): return clear(region, at: time)
        case .guestCreated(let id, let name):
            storage.names[id] = name
            guest = name
        case .guestRemoved(let id, let isEnding):
            guest = storage.names[id]
            if isEnding { storage.removed.insert(id) } else { forget(id) }
        case .guest(let id, let state):
            guest = storage.names[id]
            if state == .stopped, storage.removed.remove(id) != nil { forget(id) }
        case .inodeFreed(let id), .guestType(let id, _): guest = storage.names[id]
        default: break
        }
        settle()
        append(LoggedEvent(time: time, event: event, guest: guest))
    }

    private mutating func forget(_ id: GuestID) {
        storage.names[id] = nil
        storage.names.giveRoomBack()
    }

    /// A guest's launch clears many regions, mostly one after the other.
    private mutating func clear(_ region: Int, at time: UInt64) {
        if let run = storage.clearing, let regions = run.regions, run.time == time, region == regions.upperBound + 1 {
            storage.clearing?.regions = regions.lowerBound...region
            return
        }
        settle()
        storage.clearing = LoggedEvent(time: time, event: .regionCleared(region), guest: nil, regions: region...region)
    }

    /// Ends a run of cleared regions; called at the end of each command, so that no reader sees half of one.
    mutating func settle() {
        guard let done = storage.clearing else { return }
        own()
        storage.clearing = nil
        append(done)
    }

    private func append(_ event: LoggedEvent) {
        let log = storage
        if log.newest.entries.count >= Self.partSize {
            log.full.append(log.newest)
            log.newest = Part()
            if log.full.count >= Self.parts {
                log.full.removeFirst()
                log.first += UInt64(Self.partSize)
            }
        }
        log.newest.append(event)
        log.count += 1
    }

    /// Events from number `start` on, or from the oldest that is kept, at most `most` of them, as copies that can be
    /// read while the log goes on.
    public func events(from start: UInt64, most: Int = .max) -> [LoggedEvent] {
        var events: [LoggedEvent] = []
        events.reserveCapacity(Int(clamping: min(UInt64(max(most, 0)), count - min(count, max(start, first)))))
        if most <= 0 { return events }
        forEach(from: start) { event in
            events.append(event)
            return events.count < most
        }
        return events
    }

    /// Passes events to `body`, from number `start` on, or from the oldest that is kept, until it returns false.
    ///
    /// - Returns: the number of the next event.
    @discardableResult
    public func forEach(from start: UInt64, _ body: (LoggedEvent) -> Bool) -> UInt64 {
        var next = max(start, first)
        while next < count {
            let place = Int(next - first)
            let (part, index) = (place / Self.partSize, place % Self.partSize)
            let event = part < storage.full.count ? storage.full[part][index] : storage.newest[index]
            next += 1
            if !body(event) { break }
        }
        return next
    }
}

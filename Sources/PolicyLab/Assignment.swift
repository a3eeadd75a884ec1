// SPDX-License-Identifier: Apache-2.0
// Which host of a fleet gets a guest: by memory that is spoken for, as a scheduler counts it.

/// How the guests of a workload are spread over the hosts of a fleet.
enum Assignment: String, Sendable, CaseIterable {
    /// The first host with enough memory.
    case firstFit = "first-fit"
    /// The host with the least memory that is enough.
    case bestFit = "best-fit"
    /// The host with the most memory.
    case leastLoaded = "least-loaded"
    /// All guests of a tenant go to one host, while it has room.
    case byTenant = "by-tenant"

    /// The guests of each host, in order of arrival, and how many found no host.
    ///
    /// A guest's memory counts from its arrival to its end, wherever it lies: a scheduler does not know how a host
    /// places it. A host alone gets all of them.
    ///
    /// - Parameter capacity: of each host, in pages.
    func spread(_ guests: [GuestSpec], hosts: Int, capacity: Int) -> (guests: [[GuestSpec]], refused: Int) {
        if hosts == 1 { return ([guests], 0) }
        var free = [Int](repeating: capacity, count: hosts)
        var homes: [Int: Int] = [:]
        var ends = EventQueue()
        var hostOfGuest = [Int](repeating: -1, count: guests.count)
        var counts = [Int](repeating: 0, count: hosts)
        for (number, guest) in guests.enumerated() {
            while let end = ends.next, end.time <= guest.arrival {
                _ = ends.pop()
                free[hostOfGuest[end.guest]] += guests[end.guest].pages
            }
            let home = self == .byTenant ? homes[guest.tenant] : nil
            guard let host = host(for: guest, free, home) else { continue }
            if self == .byTenant && home == nil { homes[guest.tenant] = host }
            free[host] -= guest.pages
            hostOfGuest[number] = host
            counts[host] += 1
            if let life = guest.lifetime {
                ends.push(WorkloadEvent(time: guest.arrival.advanced(clamping: life), kind: .end, guest: number))
            }
        }
        // Each list is as long as it will be from the start.
        var lists = counts.map { count in
            var list: [GuestSpec] = []
            list.reserveCapacity(count)
            return list
        }
        for (guest, host) in zip(guests, hostOfGuest) where host >= 0 { lists[host].append(guest) }
        return (lists, guests.count - counts.reduce(0, +))
    }

    private func host(for guest: GuestSpec, _ free: [Int], _ home: Int?) -> Int? {
        if let home, free[home] >= guest.pages { return home }
        var best: Int?
        for host in free.indices where free[host] >= guest.pages {
            if self == .firstFit { return host }
            guard let known = best else {
                best = host
                continue
            }
            if self == .bestFit ? free[host] < free[known] : free[host] > free[known] { best = host }
        }
        return best
    }
}

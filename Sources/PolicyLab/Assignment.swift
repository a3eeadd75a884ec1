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
        var lists = [[GuestSpec]](repeating: [], count: hosts)
        var free = [Int](repeating: capacity, count: hosts)
        var homes: [Int: Int] = [:]
        var ends = EventQueue()
        var places: [(host: Int, pages: Int)] = []
        var refused = 0
        for guest in guests {
            while let end = ends.next, end.time <= guest.arrival {
                _ = ends.pop()
                free[places[end.guest].host] += places[end.guest].pages
            }
            guard let host = host(for: guest, free, homes[guest.tenant]) else {
                refused += 1
                continue
            }
            if homes[guest.tenant] == nil { homes[guest.tenant] = host }
            free[host] -= guest.pages
            lists[host].append(guest)
            places.append((host, guest.pages))
            if let life = guest.lifetime {
                let time = guest.arrival.advanced(clamping: life)
                ends.push(WorkloadEvent(time: time, kind: .end, guest: places.count - 1))
            }
        }
        return (lists, refused)
    }

    private func host(for guest: GuestSpec, _ free: [Int], _ home: Int?) -> Int? {
        if self == .byTenant, let home, free[home] >= guest.pages { return home }
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

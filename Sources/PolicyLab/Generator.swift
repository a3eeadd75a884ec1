// SPDX-License-Identifier: Apache-2.0
// A workload made from a few named parameters: guests that arrive at random, with the sizes and lifetimes of a cloud.

import RMPModel

/// The parameters of a workload.
///
/// The defaults follow published facts of a real cloud (docs/sources.md, "Workload"): 259,159 virtual machines in 3.5
/// days of one region of Microsoft Azure in 2017. That nobody lives longer than 10 days is a choice: the facts end
/// after 3.5, when 2 % still live.
struct Generator: Sendable, Hashable {
    /// A size of guests.
    struct Size: Sendable, Hashable {
        var share: Double
        var memory: UInt64
        var vcpus: Int
    }

    /// Arrivals an hour, for each host.
    var arrivalsPerHour = 61.0
    /// Sizes with their shares, in per cent.
    var sizes: [Size] = [
        Size(share: 60.4, memory: 1_792 << 20, vcpus: 1),
        Size(share: 18.5, memory: 3_584 << 20, vcpus: 2),
        Size(share: 9.9, memory: 7_168 << 20, vcpus: 4),
        Size(share: 9.0, memory: 14_336 << 20, vcpus: 8),
        Size(share: 1.6, memory: 768 << 20, vcpus: 1),
        Size(share: 0.6, memory: 57_344 << 20, vcpus: 8),
    ]
    /// Ages with the share of guests, in per cent, that live longer.
    var lifetimes = Survival(Generator.azure)
    /// How many guests in a row one tenant asks for, on average.
    var guestsPerTenant = 5.0
    /// Whether the hosts are as full at the start as they are on average.
    var startsFull = true

    /// Survivors by age: Kaplan and Meier's estimate over the machines of that region, up to 3 days.
    static let azure: [(age: UInt64, share: Double)] = [
        (0, 1), (300, 0.885), (600, 0.770), (1_297, 0.527), (3_600, 0.310), (7_200, 0.232), (21_600, 0.154),
        (43_200, 0.098), (86_400, 0.048), (172_800, 0.027), (259_200, 0.0206), (864_000, 0),
    ].map { ($0.0 * 1_000_000_000, $0.1) }

    /// The guests, in order of arrival.
    ///
    /// - Parameters:
    ///   - duration: until when guests arrive, in ns.
    ///   - hosts: for how many hosts.
    func guests(duration: UInt64, hosts: Int, seed: UInt64) -> [GuestSpec] {
        var random = Random(seed: seed, use: 1)
        var guests: [GuestSpec] = []
        let rate = arrivalsPerHour * Double(hosts) / 3_600e9
        var tenant = 0
        func guest(arrival: UInt64, lifetime: UInt64) -> GuestSpec {
            let size = size(&random)
            let spec = GuestSpec(
                arrival: arrival,
                lifetime: lifetime,
                pages: Int((size.memory + 4_095) / 4_096),
                vcpus: size.vcpus,
                tenant: tenant
            )
            // As likely to be a tenant's last guest after each of them.
            if random.fraction() * guestsPerTenant < 1 { tenant += 1 }
            return spec
        }
        if startsFull {
            for _ in 0..<Int((rate * lifetimes.mean).rounded()) {
                let left = lifetimes.remainder(&random)
                guests.append(guest(arrival: 0, lifetime: left))
            }
        }
        if rate == 0 { return guests }
        var time = random.exponential() / rate
        while time < Double(duration) {
            let life = lifetimes.lifetime(&random)
            guests.append(guest(arrival: UInt64(time), lifetime: life))
            time += random.exponential() / rate
        }
        return guests
    }

    private func size(_ random: inout Random) -> Size {
        var left = random.fraction() * sizes.reduce(0) { $0 + $1.share }
        for size in sizes {
            left -= size.share
            if left < 0 { return size }
        }
        return sizes[sizes.count - 1]
    }
}

extension [GuestSpec] {
    /// Decides which guests are SNP where the workload does not say: tenant by tenant, in an order from the seed, until
    /// the SNP guests' memory, weighted by the time for which it is asked for, is nearest to a share of all.
    ///
    /// - Parameter share: 0 ... 1.
    mutating func decideSNP(share: Double, duration: UInt64, seed: UInt64) {
        var weights: [Int: Double] = [:]
        var tenants: [Int] = []
        var (all, snp) = (0.0, 0.0)
        for guest in self {
            let end = Swift.min(guest.lifetime.map { guest.arrival.advanced(clamping: $0) } ?? duration, duration)
            let weight = Double(guest.pages) * Double(end > guest.arrival ? end - guest.arrival : 0)
            all += weight
            if let isSNP = guest.isSNP {
                if isSNP { snp += weight }
                continue
            }
            if weights[guest.tenant] == nil { tenants.append(guest.tenant) }
            weights[guest.tenant, default: 0] += weight
        }
        var random = Random(seed: seed, use: 2)
        for index in tenants.indices.reversed() where index > 0 {
            tenants.swapAt(index, random.next(below: index + 1))
        }
        var chosen: Set<Int> = []
        if share >= 1 {
            chosen = Set(tenants)
        } else if share > 0 {
            for tenant in tenants {
                let weight = weights[tenant] ?? 0
                let (before, after) = (share * all - snp, share * all - snp - weight)
                if before.magnitude <= after.magnitude { continue }
                chosen.insert(tenant)
                snp += weight
            }
        }
        for index in indices where self[index].isSNP == nil { self[index].isSNP = chosen.contains(self[index].tenant) }
    }
}

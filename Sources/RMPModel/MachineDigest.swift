// SPDX-License-Identifier: Apache-2.0
// A checksum of everything that a machine is, so that whoever replays a recording can tell whether the machine came out
// the same.

/// A checksum of a sequence of values: 64-bit FNV-1a over words.
///
/// Source: http://www.isthe.com/chongo/tech/comp/fnv, with words in place of bytes: this detects mistakes, not
/// tampering.
struct Digest {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func add(_ word: UInt64) {
        value = (value ^ word) &* 0x0000_0100_0000_01b3
        // Words differ in their high bits, which the product alone would lose.
        value ^= value >> 32
    }

    mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }
    mutating func add(_ flag: Bool) { add(flag ? 1 : 0 as UInt64) }
    mutating func add(_ bytes: some Collection<UInt8>) {
        add(bytes.count)
        for byte in bytes { add(UInt64(byte)) }
    }
}

extension Machine {
    /// A checksum of the machine as it is at ``now``: time, RMP, the tables of all cores, registers, guests, firmware,
    /// log, passes, what is due. It visits each chunk, so on 64 TB it takes some tenths of a second.
    public var digest: UInt64 {
        var digest = Digest()
        digest.add(now)
        digest.add(nextDue ?? .max)
        digest.add(eventLog.count)
        platform.rmp.add(to: &digest)
        for word in platform.rmpopt.bits { digest.add(word) }
        onlineCPUs.forEachRun { run in
            digest.add(run.lowerBound)
            digest.add(run.upperBound)
        }
        for cpu in 0..<cpuCount where onlineCPUs.contains(cpu) {
            for number in [MSRs.Number.syscfg, MSRs.Number.rmpBase, MSRs.Number.rmpEnd, MSRs.Number.rmpConfiguration] {
                digest.add((try? rdmsr(number, cpu: cpu)) ?? .max)
            }
        }
        digest.add(firmwareState == .initialized)
        digest.add(freeMemory)
        digest.add(undefinedOpcodes)
        for line in logLines {
            digest.add(line.time)
            digest.add(line.text.utf8)
        }
        for pass in passes {
            for value in [
                pass.number, pass.start, pass.end ?? 0, pass.executions, pass.interrupts, pass.stolenNanoseconds,
            ] {
                digest.add(value)
            }
            digest.add(pass.regionsWon)
        }
        for outcome in RequestOutcome.allCases { digest.add(requests(outcome)) }
        for id in guests.order {
            guard let guest = guests[id] else { continue }
            digest.add(id.rawValue)
            digest.add(guest.name.bytes)
            digest.add(guest.memoryBytes)
            digest.add(Int(guest.asid ?? 0))
            digest.add(guest.isRemoved)
            digest.add(guest.vcpus)
            // What recordings of older versions do not have adds nothing where it is unused.
            if guest.type != .snp { digest.add(guest.type.rawValue.utf8) }
            digest.add(guest.teardown.due)
            for run in guest.chunks {
                digest.add(run.first)
                digest.add(run.count)
            }
        }
        for runs in [guests.host.own, guests.host.cache] where !guests.host.isEmpty {
            digest.add(runs.count)
            for run in runs {
                digest.add(run.first)
                digest.add(run.count)
            }
        }
        return digest.value
    }
}

extension RMP {
    fileprivate func add(to digest: inout Digest) {
        for region in 0..<regionCount {
            if let word = uniformWord(ofRegion: region) {
                digest.add(word.bits)
                continue
            }
            for chunk in (region << 9)..<((region + 1) << 9) {
                let word = chunkWord(chunk)
                // The number of a mixed chunk is where it is stored, not what it is.
                if !word.isMixed { digest.add(word.bits); continue }
                for index in 0..<Granularity.pagesPerChunk { digest.add(entry(of: word, index: index).bits) }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// The simulated host's memory as far as it is RMP, and the registers that say where it lies: what readers of real hosts
// read, in rmpsim/memory/.

import RMPModel

/// What `image` shows, and the attribute `registers`.
struct MemoryImage: SparseContent {
    let engine: SimulatedEngine
    let size: UInt64

    init(engine: SimulatedEngine) {
        self.engine = engine
        size = engine.configuration.memory.end.rawValue
    }

    // MARK: image

    func nextData(from offset: UInt64) throws(Errno) -> Range<UInt64>? {
        try engine.look { machine throws(Errno) in machine.nextRMPData(from: offset) }
    }

    func read(at offset: UInt64, into bytes: UnsafeMutableRawBufferPointer) throws(Errno) {
        let place = SendableBytes(bytes: bytes)
        let asked = offset..<offset + UInt64(bytes.count)
        let layout = engine.configuration.rmp
        let counters =
            asked.overlaps(layout.head.lowerBound..<layout.head.lowerBound + RMPLayout.bookkeepingBytes)
            ? try counters() : []
        try engine.look { machine throws(Errno) in
            machine.writeRMPMemory(at: offset, into: place.bytes, counters: counters)
        }
    }

    /// The assigned pages of each ASID; the machine is asked region by region, so that others come between.
    private func counters() throws(Errno) -> [UInt64] {
        var counters = [UInt64](repeating: 0, count: 1024)
        let regions = try engine.look { machine throws(Errno) in machine.regionCount }
        for region in 0..<regions {
            for item in try engine.look({ machine throws(Errno) in machine.assignedPages(byASIDOf: region) }) {
                counters[Int(item.asid)] += UInt64(item.pages)
            }
        }
        return counters
    }

    /// Unchecked: a reader's own memory, which the call under the engine's lock fills before it returns.
    private struct SendableBytes: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer
    }

    // MARK: registers

    /// A register a line, in hexadecimal, and where memory ends; a register that the processor does not have is left
    /// out.
    func registers(owner: Owner) -> Attribute {
        Attribute(
            owner: owner,
            show: { [engine, size] text throws(Errno) in
                let values = try engine.look { machine throws(Errno) in
                    Self.numbers.map { name, number in (name, try? machine.rdmsr(number, cpu: 0)) }
                }
                for (name, value) in values + [("memory_end", size)] {
                    guard let value else { continue }
                    text.append(Array(name.utf8))
                    text.append(" 0x")
                    text.append(hexadecimal: value)
                    text.append(0x0A)
                }
            },
            store: nil
        )
    }

    private static let numbers: [(String, UInt32)] = [
        ("syscfg", MSRs.Number.syscfg), ("rmp_base", MSRs.Number.rmpBase), ("rmp_end", MSRs.Number.rmpEnd),
        ("rmp_cfg", MSRs.Number.rmpConfiguration),
    ]
}

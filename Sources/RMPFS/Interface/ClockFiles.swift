// SPDX-License-Identifier: Apache-2.0
// Virtual time by hand, rmpsim/clock, and its pace, rmpsim/pace.

import RMPModel

/// Builds `clock` and `pace`.
struct ClockFiles {
    let engine: SimulatedEngine
    let owner: Owner

    /// Virtual time since boot in ns. Written: a step such as `+250ms` or `+1.5s`; `+next`, to the next event; `idle`,
    /// until nothing is pending.
    var clock: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                text.append(decimal: try engine.now())
                text.append(0x0A)
            },
            store: { [engine] value throws(Errno) in
                if value.equals("idle") { return engine.host.skipToIdle() }
                if value.equals("+next") { return engine.host.skipToNextEvent() }
                try engine.skip(nanoseconds: value.duration())
            }
        )
    }

    /// A factor, `0` or `instant`, as for `--pace`.
    var pace: Attribute {
        Attribute(
            owner: owner,
            show: { [engine] text throws(Errno) in
                text.append(Array(engine.host.pace.description.utf8))
                text.append(0x0A)
            },
            store: { [engine] value throws(Errno) in
                guard let pace = Pace(String(decoding: value.line, as: UTF8.self)) else { throw .invalid }
                engine.host.setPace(pace)
            }
        )
    }
}

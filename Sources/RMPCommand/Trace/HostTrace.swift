// SPDX-License-Identifier: Apache-2.0
// What happened on a host as a picture has it: slices and moments on tracks, and the turns of CPUs.

import RMPModel

/// A host's life, or a part of it. Times are virtual, in ns since boot.
struct HostTrace {
    /// A row of the picture, but for those of CPUs.
    enum Track: Hashable {
        /// Passes, and in them their turns.
        case passes
        /// Requests, and how long a pass was pending.
        case requests
        /// Kernel, firmware and the RMP.
        case platform
        /// The kernel's log.
        case log
        /// Guests, one after the other.
        case guests(lane: Int)
    }

    /// Something that took time; a slice lies within those of its track that are less deep.
    struct Slice {
        let track: Track
        let name: String
        let times: Range<UInt64>
        var depth = 0
        var details: [Detail] = []
    }

    /// Something that happened at a moment.
    struct Moment {
        let track: Track
        let name: String
        let time: UInt64
        var details: [Detail] = []
    }

    /// What CPUs did together.
    struct Turn {
        let name: String
        /// The number of the pass; nil: they are offline.
        let pass: String?
        /// When they have interrupts off; nil: never.
        let interruptsOff: String?
        var times: Range<UInt64>
        let cpus: CPUSet
    }

    /// A field of an event; numbers are text, too.
    struct Detail: Equatable {
        let name: String
        let value: String
    }

    var slices: [Slice] = []
    var moments: [Moment] = []
    var turns: [Turn] = []
    /// The names of the guests that had a lane, in the order in which they came.
    var lanes: [[String]] = []
    /// How many events are missing.
    var lost: UInt64 = 0
}

// SPDX-License-Identifier: Apache-2.0
// Commands that come by themselves as virtual time passes: a recording that is played on a mounted host.

public import RMPModel

/// Whoever asks a machine for something at moments that are known before.
///
/// The machine never passes such a moment without it: whoever brings the machine up to date does what the script has to
/// do on the way, each command at its nanosecond.
public protocol CommandScript: Sendable {
    /// When the next command comes, in ns of virtual time; nil if none does.
    var next: UInt64? { get }
    /// Does it; the machine is at that time.
    mutating func perform(on machine: inout Machine)
}

extension SharedMachine.State {
    /// Lets virtual time pass, and the script's commands come, up to `time` or until `effort` is spent.
    /// - Returns: whether the machine has come to `time`.
    mutating func advance(to time: UInt64, effort: Int) -> Bool {
        while let next = script?.next, next <= time {
            guard machine.advance(to: next, effort: effort) else { return false }
            script?.perform(on: &machine)
        }
        return machine.advance(to: time, effort: effort)
    }

    /// When the machine does something by itself next, or the script does.
    var nextEvent: UInt64? {
        guard let next = script?.next else { return machine.nextEvent }
        return min(machine.nextEvent ?? next, next)
    }
}

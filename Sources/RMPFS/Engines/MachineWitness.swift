// SPDX-License-Identifier: Apache-2.0
// Whoever writes down what is asked of a machine, so that it can be asked again.

public import RMPModel

/// Is told of everything that changes a machine besides time, in the order in which it happens.
///
/// Called under the machine's lock, or by the one thread that has the turn: what it does must be short.
public protocol MachineWitness: Sendable {
    /// A command, and what the machine answered.
    func note(_ command: Command, _ outcome: Result<CommandResult, CommandError>, at time: UInt64)
    /// Somebody read the kernel's table, which left a trace in the log.
    func noteReport(at time: UInt64)
}

extension SimulatedEngine {
    /// Has a machine do a command as a mounted host does, the host's own line in the log included.
    @discardableResult
    public static func perform(
        _ command: Command,
        at time: UInt64,
        on machine: inout Machine
    ) -> Result<CommandResult, CommandError> {
        SharedMachine.perform(command, at: time, on: &machine, nil)
    }

    /// Looks at the machine as it is now.
    public func inspect<Answer: Sendable>(_ body: (borrowing Machine) -> Answer) throws(Errno) -> Answer {
        try look { machine throws(Errno) in body(machine) }
    }
}

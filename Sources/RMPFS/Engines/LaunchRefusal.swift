// SPDX-License-Identifier: Apache-2.0
// Logs why a launch was refused: the errno alone does not say how much memory is missing, or which range is in use.

import RMPModel

extension Machine {
    /// Logs a launch that the host has no room for. Refusals that the kernel logs itself, and those that the guest's
    /// own files explain, need no line.
    mutating func note(_ refusal: CommandError, of command: Command) {
        guard case .startGuest(let id) = command, let guest = guest(id) else { return }
        let remedy: String
        switch refusal {
        case .noMemory: remedy = "; rmpsim/memory/free shows what is free"
        case .noASID, .placement: remedy = ""
        default: return
        }
        var name = TextBuffer()
        name.append(escaped: guest.name.bytes)
        note("rmpfs: guest \(String(decoding: name.bytes, as: UTF8.self)) not launched: \(refusal)\(remedy)")
    }
}

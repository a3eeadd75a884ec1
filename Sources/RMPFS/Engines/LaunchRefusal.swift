// SPDX-License-Identifier: Apache-2.0
// Why a launch was refused, in the log: its errno alone does not tell how much memory is missing, or which range is in
// use.

import RMPModel

extension Machine {
    /// Writes a line for a launch that the host has no room for. What the kernel itself says of a refusal, and what is
    /// plain from the guest's own files, needs none.
    mutating func note(_ refusal: CommandError, of command: Command) {
        guard case .startGuest(let id) = command, let guest = guest(id) else { return }
        let remedy: String
        switch refusal {
        case .noMemory: remedy = "; rmpsim/memory/free shows what is free"
        case .noASID, .placement: remedy = ""
        default: return
        }
        var name = TextBuffer()
        name.append(escaped: guest.name)
        note("rmpfs: guest \(String(decoding: name.bytes, as: UTF8.self)) not launched: \(refusal)\(remedy)")
    }
}

// SPDX-License-Identifier: Apache-2.0
// Which errno each refusal of a host becomes at a system call: those of the machine, of the engines, and of a running
// kernel's files.

import RMPModel

extension Errno {
    /// The errno for a refusal.
    init(_ error: CommandError) {
        switch error {
        case .busy: self = .busy
        case .unsupported: self = .notSupported
        case .noSNP: self = .noSuchDevice
        case .firmwareFailed: self = .ioError
        case .invalid: self = .invalid
        case .placement(.notFree): self = .busy
        case .placement: self = .invalid
        case .noMemory, .noASID, .tooManyGuests: self = .noSpace
        case .exists: self = .exists
        case .noSuchGuest: self = .noSuchFile
        case .rmp(let code): self.init(code)
        case .fault, .nestedFault, .msr: self = .ioError
        }
    }

    /// The errno for a return code of RMPUPDATE or PSMASH.
    init(_ code: RMPCode) {
        switch code {
        case .failInput: self = .invalid
        case .failPermission: self = .notPermitted
        case .failInUse: self = .busy
        case .failOverlap: self = .notEmpty
        case .success: self = .ioError  // never thrown
        }
    }
}

/// Why an engine does not give or do what a file of ours asks for, where no command of the machine says so.
enum Refusal: Sendable, Hashable, CaseIterable {
    /// The CPU of a `cpuN` is offline.
    case offlineCPU
    /// The clock would run over.
    case clockLimit
    /// This host has nothing by which it could be told or done.
    case untold
    /// Passes may not be asked for (no `--allow-reenable`).
    case readOnly
}

extension Errno {
    /// The errno for a refusal.
    init(_ refusal: Refusal) {
        switch refusal {
        case .offlineCPU: self = .noSuchDevice
        case .clockLimit: self = .outOfRange
        case .untold: self = .notSupported
        case .readOnly: self = .notPermitted
        }
    }

    /// The errno for what is wrong with a running kernel's files: its own for a write that it refused, else EIO.
    init(_ error: KernelError) {
        if case .refused(_, let refusal) = error { self = refusal } else { self = .ioError }
    }
}

// SPDX-License-Identifier: Apache-2.0
// Maps each refusal to an errno: those of the machine, of the engines, and of a running kernel's files.

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

/// Why an engine cannot answer or do what one of our files asks for, where no command of the machine explains it.
enum Refusal: Sendable, Hashable, CaseIterable {
    /// The CPU of a `cpuN` is offline.
    case offlineCPU
    /// The clock would overflow.
    case clockLimit
    /// This host has no way to answer or do it.
    case untold
    /// Passes may not be requested (no `--allow-reenable`).
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

    /// The errno for a fault in a running kernel's files: the kernel's own for a refused write, otherwise EIO.
    init(_ error: KernelError) {
        if case .refused(_, let refusal) = error { self = refusal } else { self = .ioError }
    }
}

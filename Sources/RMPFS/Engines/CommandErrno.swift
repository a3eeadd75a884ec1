// SPDX-License-Identifier: Apache-2.0
// Which errno each refusal of the machine becomes at write(2) or mkdir(2).

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

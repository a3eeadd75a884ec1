// SPDX-License-Identifier: Apache-2.0
// The errno for each refusal of the machine, and the names of errnos.

import Glibc
import RMPModel
import Testing

@testable import RMPFS

@Suite struct ErrnoTests {
    @Test(
        arguments: [
            (.busy(.guestRunning), EBUSY), (.busy(.guestEnding), EBUSY), (.invalid(.name), EINVAL),
            (.invalid(.memoryGranularity(1)), EINVAL), (.invalid(.noMemorySet), EINVAL), (.invalid(.cpu(9)), EINVAL),
            (.busy(.guestNotRunning), EBUSY), (.invalid(.vcpus(0)), EINVAL), (.invalid(.noPages), EINVAL),
            (.invalid(.ordinaryGuest), EINVAL),
            (.placement(.notFree(0..<4096)), EBUSY), (.placement(.notMemory(0..<4096)), EINVAL),
            (.placement(.noSuchNode(9)), EINVAL), (.noMemory(requested: 2, available: 1), ENOSPC), (.noASID, ENOSPC),
            (.tooManyGuests(limit: 1), ENOSPC),
            (.exists("a"), EEXIST), (.noSuchGuest(GuestID(1)), ENOENT), (.rmp(.failInput), EINVAL),
            (.rmp(.failPermission), EPERM), (.rmp(.failInUse), EBUSY), (.rmp(.failOverlap), ENOTEMPTY),
        ] as [(CommandError, Int32)]
    )
    func refusals(error: CommandError, number: Int32) {
        #expect(Errno(error).rawValue == number)
    }

    @Test func texts() {
        #expect(Errno.noSuchFile.description == "No such file or directory")
        #expect(Errno.accessDenied.description == "Permission denied")
        #expect(!Errno(rawValue: 9999).description.isEmpty)
    }

    @Test func current() {
        #expect(Glibc.open("/nonexistent/file", O_RDONLY) == -1)
        #expect(Errno.current == .noSuchFile)
    }
}

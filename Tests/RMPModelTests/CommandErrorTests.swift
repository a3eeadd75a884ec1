// SPDX-License-Identifier: Apache-2.0
// Every error names its value and the remedy.

import Testing

@testable import RMPModel

@Suite struct CommandErrorTests {
    /// Each error, and the words that its message must contain.
    private static let sentences: [(error: CommandError, names: [String])] = [
        (.busy(.guestRunning), ["stop it first"]), (.busy(.guestEnding), ["wait until it is stopped"]),
        (.busy(.guestNotRunning), ["start it first"]), (.busy(.guestsLeft), ["stop them", "wait"]),
        (.busy(.hotplugForbidden), ["shut firmware down first"]), (.busy(.neededCPU), ["choose another"]),
        (.unsupported(.snp), ["see the log"]), (.unsupported(.x86Shutdown), ["shut down without it"]),
        (.unsupported(.offlineCPUs), ["bring them online first"]), (.noSNP, ["initialise it first"]),
        (.firmwareFailed, ["try again"]), (.invalid(.name), ["1 to 255 bytes"]),
        (.invalid(.memoryGranularity(5)), ["5 bytes", "a multiple of 4096"]),
        (.invalid(.noMemorySet), ["set its memory first"]), (.invalid(.cpu(3)), ["CPU 3"]),
        (.invalid(.pageState), ["read its entry first"]), (.invalid(.vcpus(0)), ["0 vCPUs", "1 to 4096"]),
        (.invalid(.memoryForBacking(4096, .size1G)), ["4096 bytes", "1073741824 bytes", "give a multiple"]),
        (.invalid(.pageRange(1..<2)), ["1 to 2", "whole 4096-byte pages"]),
        (.invalid(.outsideMemory(0..<8192, memoryBytes: 4096)), ["0 to 8192", "ends at 4096"]),
        (.invalid(.noPages), ["give one at least"]), (.invalid(.ordinaryGuest), ["make it an SNP guest"]),
        (.noMemory(requested: 8192, available: 4096), ["8192 bytes", "4096 available", "ask for less or end a guest"]),
        (.placement(.noRanges), ["give one such as 0x100000000-0x140000000"]),
        (.placement(.granularity(1..<2, unit: 4096)), ["0x1-0x2", "multiples of 4096 bytes"]),
        (.placement(.notMemory(0..<4096)), ["0x0-0x1000", "choose a range"]),
        (.placement(.notFree(0..<4096)), ["0x0-0x1000", "choose another range or end its owner"]),
        (.placement(.otherNode(0..<4096, node: 1)), ["0x0-0x1000", "node 1", "choose a range there"]),
        (.placement(.noSuchNode(3)), ["node 3"]), (.placement(.nodeWithoutMemory(2)), ["node 2", "choose another"]),
        (.noASID, ["end a guest first"]), (.tooManyGuests(limit: 2), ["2 guests", "remove one first"]),
        (.exists("A"), ["guest A", "choose another name"]), (.noSuchGuest(GuestID(3)), ["guest number 3"]),
        (.rmp(.failInUse), ["FAIL_INUSE (3)"]), (.rmp(.failOverlap), ["FAIL_OVERLAP (4)"]),
        (.nestedFault(.notAssigned), ["assign it first"]), (.nestedFault(.sizeMismatch), ["PSMASH first"]),
        (.msr(.generalProtection), ["#GP", "check number"]), (.fault(.undefinedOpcode), ["#UD"]),
    ]

    @Test func eachNamesValueAndRemedy() {
        for (error, names) in Self.sentences {
            for name in names { #expect(error.description.contains(name), "\(error): \(name) is missing") }
        }
        #expect(Set(Self.sentences.map(\.error.description)).count == Self.sentences.count)
    }

    /// Numbers each case, so that a new one does not compile until it is numbered here. It then needs a row above, and
    /// its number in `noCaseIsMissing()`.
    private static func number(_ error: CommandError) -> Int {
        switch error {
        case .busy(let busy): 100 + (CommandError.Busy.allCases.firstIndex(of: busy) ?? 0)
        case .unsupported(let what): 200 + (CommandError.Unsupported.allCases.firstIndex(of: what) ?? 0)
        case .noSNP: 1
        case .firmwareFailed: 2
        case .invalid(let invalid): 300 + number(invalid)
        case .noMemory: 3
        case .placement(let error): 400 + number(error)
        case .noASID: 4
        case .tooManyGuests: 5
        case .exists: 6
        case .noSuchGuest: 7
        case .rmp: 8
        case .nestedFault: 9
        case .msr: 10
        case .fault: 11
        }
    }

    private static func number(_ invalid: CommandError.Invalid) -> Int {
        switch invalid {
        case .name: 0
        case .memoryGranularity: 1
        case .noMemorySet: 2
        case .cpu: 3
        case .pageState: 4
        case .vcpus: 5
        case .memoryForBacking: 6
        case .pageRange: 7
        case .outsideMemory: 8
        case .noPages: 9
        case .ordinaryGuest: 10
        }
    }

    private static func number(_ error: PlacementError) -> Int {
        switch error {
        case .noRanges: 0
        case .granularity: 1
        case .notMemory: 2
        case .notFree: 3
        case .otherNode: 4
        case .noSuchNode: 5
        case .nodeWithoutMemory: 6
        }
    }

    @Test func noCaseIsMissing() {
        let busy = CommandError.Busy.allCases.indices.map { 100 + $0 }
        let unsupported = CommandError.Unsupported.allCases.indices.map { 200 + $0 }
        let all = Array(1...11) + busy + unsupported + (0...10).map { 300 + $0 } + (0...6).map { 400 + $0 }
        #expect(Set(all).subtracting(Self.sentences.map { Self.number($0.error) }) == [])
    }
}

// SPDX-License-Identifier: Apache-2.0
// Commands and refusals from plain numbers: tests and the naive model compute addresses, for which the machine has
// types.

@testable import RMPModel

extension Command {
    @_disfavoredOverload
    static func convert(_ id: GuestID, gpa: Range<UInt64>, toPrivate: Bool) -> Command {
        .convert(id, gpa: Range<GPA>(raw: gpa), toPrivate: toPrivate)
    }

    @_disfavoredOverload
    static func validate(_ id: GuestID, gpa: Range<UInt64>, _ size: PageSize) -> Command {
        .validate(id, gpa: Range<GPA>(raw: gpa), size)
    }

    @_disfavoredOverload
    static func leak(_ pages: Range<UInt64>) -> Command { .leak(Range<PFN>(raw: pages)) }
}

extension CommandResult {
    @_disfavoredOverload
    static func leaked(_ pages: Range<UInt64>) -> CommandResult { .leaked(Range<PFN>(raw: pages)) }
}

extension Placement {
    @_disfavoredOverload
    static func ranges(_ ranges: [Range<UInt64>]) -> Placement { .ranges(ranges.map { Range<SPA>(raw: $0) }) }
}

extension PlacementError {
    @_disfavoredOverload
    static func granularity(_ range: Range<UInt64>, unit: UInt64) -> PlacementError {
        .granularity(Range<SPA>(raw: range), unit: unit)
    }

    @_disfavoredOverload
    static func notMemory(_ range: Range<UInt64>) -> PlacementError { .notMemory(Range<SPA>(raw: range)) }

    @_disfavoredOverload
    static func notFree(_ range: Range<UInt64>) -> PlacementError { .notFree(Range<SPA>(raw: range)) }

    @_disfavoredOverload
    static func otherNode(_ range: Range<UInt64>, node: Int) -> PlacementError {
        .otherNode(Range<SPA>(raw: range), node: node)
    }
}

extension CommandError.Invalid {
    @_disfavoredOverload
    static func pageRange(_ gpa: Range<UInt64>) -> CommandError.Invalid { .pageRange(Range<GPA>(raw: gpa)) }

    @_disfavoredOverload
    static func outsideMemory(_ gpa: Range<UInt64>, memoryBytes: UInt64) -> CommandError.Invalid {
        .outsideMemory(Range<GPA>(raw: gpa), memoryBytes: memoryBytes)
    }
}

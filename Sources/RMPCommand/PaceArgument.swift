// SPDX-License-Identifier: Apache-2.0
// The pace of virtual time on the command line.

import ArgumentParser
import RMPFS

/// `FACTOR`, `0` or `instant`.
struct PaceArgument: ExpressibleByArgument, Hashable, Sendable {
    let pace: Pace

    init(pace: Pace) {
        self.pace = pace
    }

    init?(argument: String) {
        guard let pace = Pace(argument) else { return nil }
        self.pace = pace
    }

    var defaultValueDescription: String { pace.description }
}

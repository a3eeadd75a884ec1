// SPDX-License-Identifier: Apache-2.0
// The value of --series: a version by its name.

import ArgumentParser
import RMPModel

/// A version of the series as an argument.
struct SeriesArgument: ExpressibleByArgument {
    let series: Series

    init(series: Series) { self.series = series }

    init?(argument: String) {
        guard let series = Series.named(argument) else { return nil }
        self.init(series: series)
    }

    var defaultValueDescription: String { series.name }
    static var allValueStrings: [String] { Series.all.map(\.name) }
}

// SPDX-License-Identifier: Apache-2.0
// The value of --boot: how far a host has booted when its mount answers.

import ArgumentParser
import RMPModel

/// A stage of the boot as an argument.
struct BootArgument: ExpressibleByArgument {
    let stage: BootPlan.Stage

    private static let words: KeyValuePairs<String, BootPlan.Stage> = ["kernel": .kernel, "firmware": .firmware]

    init?(argument: String) {
        guard let stage = Self.words.first(where: { $0.key == argument })?.value else { return nil }
        self.stage = stage
    }

    /// The word for a stage.
    static func word(of stage: BootPlan.Stage) -> String { words.first { $0.value == stage }?.key ?? "firmware" }

    static var allValueStrings: [String] { words.map(\.key) }
}

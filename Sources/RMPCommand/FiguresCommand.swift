// SPDX-License-Identifier: Apache-2.0
// `rmpfs figures`: every posted duration beside what the cost model gives for the same state, and the model's
// prediction for passes that nobody has measured. Computed on each run.

import ArgumentParser
import RMPModel

struct FiguresCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "figures",
        abstract: "Compare the cost model with every posted duration of a pass.",
        discussion: """
            Builds each machine, brings it into the state of the measurement and runs the pass. Says of each figure \
            whether the model was fitted to it or predicts it, and what is assumed. Passes that nobody has measured \
            follow: v10 and merged on 2 TB with 384 CPUs.
            """
    )

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let figures = try PublishedFigure.all.map { ($0, try $0.modelled()) }
        let passes = try PassPrediction.all.compactMap { prediction in try prediction.pass().map { (prediction, $0) } }
        if json {
            print(document(figures, passes).text, terminator: "")
        } else {
            show(figures)
            show(passes)
        }
    }

    // MARK: Text

    private func show(_ figures: [(PublishedFigure, UInt64)]) {
        print("| Posted | State | Figure | ns | Model, ns | Error | The model |")
        print("|---|---|---:|---:|---:|---:|---|")
        for (figure, modelled) in figures {
            let tenths = Int((figure.deviation(of: modelled) * 10).rounded())
            let error = "\(tenths < 0 ? "-" : "+")\(abs(tenths) / 10).\(abs(tenths) % 10) %"
            let standing = figure.fitted.isEmpty ? "predicts" : "fitted: \(figure.fitted.joined(separator: ", "))"
            print(
                "| \(figure.date) | \(figure.description) | \(figure.posted) | \(figure.nanoseconds) | \(modelled) "
                    + "| \(error) | \(standing) |"
            )
        }
        print("")
        for (figure, _) in figures where !figure.remark.isEmpty { print("\(figure.description): \(figure.remark).") }
        print("")
        var assumptions: [String] = []
        for assumption in figures.flatMap(\.0.assumptions) where !assumptions.contains(assumption) {
            assumptions.append(assumption)
        }
        print("Assumed: \(assumptions.joined(separator: "; ")).")
        print("")
        print("Fitted to no duration:")
        print("")
        for (parameter, source) in PublishedFigure.otherSources { print("- `\(parameter)`: \(source)") }
        print("")
    }

    /// The columns of the passes that nobody has measured.
    private static let columns: KeyValuePairs<String, @Sendable (PassRecord) -> String> = [
        "Pass": { milliseconds(($0.end ?? $0.start) - $0.start) },
        "Interrupts off, one core": { milliseconds($0.interruptsOffNanoseconds) },
        "Broadcasts": { "\($0.broadcasts)" },
        "Interrupts": { "\($0.interrupts)" },
        "RMPOPT": { "\($0.executions)" },
        "in vain": { "\($0.executionsInVain)" },
        "CPU time": { milliseconds($0.stolenNanoseconds) },
    ]

    private func show(_ passes: [(PassPrediction, PassRecord)]) {
        print("Never measured, \(PassPrediction.gigabytes >> 10) TB and \(PassPrediction.cpus) CPUs:")
        print("")
        print("| Version | State | " + Self.columns.map(\.key).joined(separator: " | ") + " |")
        print("|---|---|" + Self.columns.map { _ in "---:|" }.joined())
        for (prediction, pass) in passes {
            let cells = Self.columns.map { $0.value(pass) }.joined(separator: " | ")
            print("| \(Self.name(prediction)) | \(Self.words(prediction.state)) | \(cells) |")
        }
    }

    private static func name(_ prediction: PassPrediction) -> String {
        guard prediction.series.order == .leaderThenWholeRange else { return prediction.series.name }
        let us = prediction.independentFollower
        return "\(prediction.series.name), \(us / 1000).\(us / 100 % 10) us a region and core"
    }

    private static func words(_ state: PassPrediction.State) -> String {
        switch state {
        case .nothingOptimized: "nothing assigned, nothing optimized yet"
        case .firstPageOfEachRegion: "first 4 KB of each GB assigned"
        }
    }

    private static func milliseconds(_ time: UInt64) -> String {
        let thousandths = String(time % 1_000_000 / 1_000)
        return "\(time / 1_000_000)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths + " ms"
    }

    // MARK: JSON

    private func document(_ figures: [(PublishedFigure, UInt64)], _ passes: [(PassPrediction, PassRecord)]) -> JSON {
        .members([
            "version": .number(1),
            "figures": .array(
                figures.map { figure, modelled in
                    .members([
                        "posted": .string(figure.date),
                        "state": .string(figure.description),
                        "figure": .string(figure.posted),
                        "ns": .number(figure.nanoseconds),
                        "model_ns": .number(modelled),
                        "fitted": .array(figure.fitted.map { .string($0) }),
                        "predicted": .bool(figure.fitted.isEmpty),
                        "assumptions": .array(figure.assumptions.map { .string($0) }),
                        "remark": figure.remark.isEmpty ? .null : .string(figure.remark),
                    ])
                }
            ),
            "parameters": .object(
                PublishedFigure.otherSources.map { JSON.Member(name: $0.key, value: .string($0.value)) }
            ),
            "never_measured": .array(
                passes.map { prediction, pass in
                    .members([
                        "series": .string(prediction.series.name),
                        "state": .string(Self.words(prediction.state)),
                        "independent_follower_ns": .number(prediction.independentFollower),
                        "pass_ns": .number((pass.end ?? pass.start) - pass.start),
                        "interrupts_off_ns": .number(pass.interruptsOffNanoseconds),
                        "broadcasts": .number(pass.broadcasts),
                        "interrupts": .number(pass.interrupts),
                        "executions": .number(pass.executions),
                        "in_vain": .number(pass.executionsInVain),
                        "stolen_ns": .number(pass.stolenNanoseconds),
                    ])
                }
            ),
        ])
    }
}

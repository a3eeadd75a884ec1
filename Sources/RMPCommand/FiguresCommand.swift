// SPDX-License-Identifier: Apache-2.0
// `rmpfs figures`: every posted duration beside what the cost model gives for the same state, worked out anew each
// time.

import ArgumentParser
import RMPModel

struct FiguresCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "figures",
        abstract: "Compare the cost model with every posted duration of a pass.",
        discussion: "Builds each machine, brings it into the state of the measurement and runs the pass."
    )

    func run() throws {
        print("| Posted | State | Figure | ns | Model, ns | Error |")
        print("|---|---|---:|---:|---:|---:|")
        var remarks: [String] = []
        for figure in PublishedFigure.all {
            let modelled = try figure.modelled()
            let tenths = Int((figure.deviation(of: modelled) * 10).rounded())
            let error = "\(tenths < 0 ? "-" : "+")\(abs(tenths) / 10).\(abs(tenths) % 10) %"
            print(
                "| \(figure.date) | \(figure.description) | \(figure.posted) | \(figure.nanoseconds) | \(modelled) "
                    + "| \(error) |"
            )
            if !figure.remark.isEmpty { remarks.append("\(figure.description): \(figure.remark).") }
        }
        print("")
        for remark in remarks { print(remark) }
    }
}

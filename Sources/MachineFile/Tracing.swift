// SPDX-License-Identifier: Apache-2.0
// Finds the key that an error about the whole machine concerns: the model knows ranges, the file knows lines.

import RMPModel

/// Traces errors of the model to the keys of a file.
struct Tracing {
    let file: Record

    /// The error with its line and key.
    func fault(_ error: ConfigurationError) -> Fault {
        switch error {
        case .place(_, let range, _), .overlap(let range, _):
            if let place = place(of: range) { return place.fault("\(error)") }
            return file.fault(file.fields["rmp"] == nil ? "memory" : "rmp", "\(error)")
        case .distances: return file.fault("distances", "\(error)")
        case .cpus, .nodesPerPackage, .coresPerNode, .noCPUOnline, .onlineNotPresent:
            return file.fault("cpus", "\(error)")
        case .lateMemory, .number("worker CPU", _, _): return file.fault("boot", "\(error)")
        case .memory, .memoryGranularity: return file.fault("memory", "\(error)")
        default: return file.fault("\(error)")
        }
    }

    /// The mapping that gives a range.
    private func place(of range: Range<UInt64>) -> Record? {
        let firmware = file.record("firmware")
        let pages = (firmware?.records("pages") ?? []) + (firmware?.records("hv_fixed") ?? [])
        if let found = pages.first(where: { $0.range(size: "size") == range }) { return found }
        let rmp = file.record("rmp")
        // Find a segment's table by its base: the size follows from what it covers.
        return rmp?.records("segments")?.first { $0.bytes("base") == range.lowerBound }
            ?? (rmp?.record("contiguous")).flatMap { $0.bytes("base") == range.lowerBound ? $0 : nil }
    }
}

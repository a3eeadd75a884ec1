// SPDX-License-Identifier: Apache-2.0
// Which key of a file a refusal of the whole machine is about: the model knows ranges, the file knows lines.

import RMPModel

/// Traces refusals of the model to the keys of a file.
struct Tracing {
    let file: Record

    /// The refusal with its line and key.
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
        // A segment's table by its base: its size follows from what it covers.
        return rmp?.records("segments")?.first { $0.bytes("base") == range.lowerBound }
            ?? (rmp?.record("contiguous")).flatMap { $0.bytes("base") == range.lowerBound ? $0 : nil }
    }
}

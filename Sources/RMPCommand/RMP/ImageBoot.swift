// SPDX-License-Identifier: Apache-2.0
// Boots a simulated machine from the RMP of a real host, and says what of it the machine does not have.

import RMPImage
import RMPModel

enum ImageBoot {
    /// The memory of a host of which only the RMP is known: all that it covers, as far as a machine can have it.
    static func memory(of layout: RMPLayout) -> UInt64 {
        min(layout.segments.map(\.covered.upperBound).max() ?? 0, MemoryMap.sizeLimits.upperBound)
    }

    /// The machine with the RMP of an image.
    /// - Parameter log: takes a line for each thing that is lost or was chosen.
    /// - Throws: `RMPSourceError` for an image that cannot be read, or that a machine cannot hold.
    static func machine(
        _ configuration: MachineConfiguration,
        _ image: RMPSource,
        log: (String) -> Void
    ) throws(RMPSourceError) -> Machine {
        var adoption: RMPAdoption
        do throws(AdoptionError) {
            adoption = try RMPAdoption(configuration)
        } catch {
            throw failure(error, image, configuration)
        }
        do throws(ImageAdoptionError) {
            try ScannedRMP(image.layout).give(to: &adoption, from: image.memory)
        } catch {
            switch error {
            case .memory(let error): throw image.failure(error)
            case .machine(let error): throw failure(error, image, configuration)
            }
        }
        let (machine, losses) = adoption.finish()
        let name = Printable.text(image.name)
        for line in losses.lines(isSegmented: image.layout.isSegmented) { log("\(name): \(line)") }
        return machine
    }

    private static func failure(
        _ error: AdoptionError,
        _ image: RMPSource,
        _ configuration: MachineConfiguration
    ) -> RMPSourceError {
        let text =
            switch error {
            case .notInitialized: obstacle(configuration) ?? "\(error). Leave out boot.stage in the machine file"
            case .undescribed, .size:
                "\(error). Are these the file's registers, and its entries as the processor keeps them?"
            case .noMemory: "\(error). Give a machine file with the host's spans of memory, or --memory in its place"
            }
        return RMPSourceError(image.name, text)
    }

    /// What keeps a machine from enabling SNP with this RMP, and the remedy; nil: nothing does.
    private static func obstacle(_ configuration: MachineConfiguration) -> String? {
        let processor = configuration.processor
        if !processor.snp { return "this machine's processor has no SNP. Leave out processor.snp in the machine file" }
        let end = configuration.memory.end.rawValue
        let covered = configuration.rmp.segments.map(\.covered.upperBound).max() ?? 0
        switch configuration.rmp.problems(with: processor, memory: configuration.memory).first {
        case nil: return nil
        case .doesNotCoverRAM(_, let covered) where covered > 0: return tooSmall(covered, end)
        case .rmpTooSmall where covered < end: return tooSmall(covered, end)
        case .segmentsUnsupported:
            return "its RMP is segmented, and this machine's processor knows no segments. Leave out "
                + "processor.segmented_rmp in the machine file"
        case .shiftOutOfBounds(let shift, let limits):
            return "its RMP has segments of 2^\(shift) bytes; this machine's processor takes 2^\(limits.lowerBound) to "
                + "2^\(limits.upperBound). Change processor.segment_shift_min or segment_shift_max in the machine file"
        case .notReserved, .doesNotCoverRAM, .rmpTooSmall:
            return "its RMP does not cover memory. Give the registers of the host that the file is from"
        }
    }

    private static func tooSmall(_ covered: UInt64, _ end: UInt64) -> String {
        let (covered, end) = (MemorySize(bytes: covered), MemorySize(bytes: end))
        return "its RMP covers memory up to \(covered.defaultValueDescription), and this machine's memory ends at "
            + "\(end.defaultValueDescription). Give --memory \(covered.defaultValueDescription) or less, or such a "
            + "machine file"
    }
}

extension AdoptionLosses {
    /// What is lost or was chosen, a line each.
    func lines(isSegmented: Bool) -> [String] {
        var lines: [String] = []
        func add(_ count: Int, _ one: String, _ many: String) {
            if count > 0 { lines.append(count == 1 ? "1 \(one)" : "\(count) \(many)") }
        }
        if !isSegmented {
            lines.append("its RMP is contiguous, so this machine has no RMPOPT and no files for it")
        }
        add(
            permissions,
            "entry has VMPL permissions or other fields that this machine does not keep",
            "entries have VMPL permissions or other fields that this machine does not keep"
        )
        add(
            miscounted,
            "chunk of 2 MB stated a wrong number of assigned pages; here it is right",
            "chunks of 2 MB stated a wrong number of assigned pages; here it is right"
        )
        add(
            outside,
            "assigned page lies outside this machine's memory and is left out",
            "assigned pages lie outside this machine's memory and are left out"
        )
        add(
            unknownASIDs,
            "page has an ASID that this processor does not have; it has no owner",
            "pages have ASIDs that this processor does not have; they have no owner"
        )
        add(
            sharedChunks,
            "chunk of 2 MB has several owners; it is free for a guest once all of them have gone",
            "chunks of 2 MB have several owners; each is free for a guest once all of them have gone"
        )
        if guests > 0 {
            let given = min(contexts, guests)
            lines.append(
                "\(guests == 1 ? "1 guest" : "\(guests) guests"); an RMP does not say whose its Context pages are: "
                    + "\(given) of \(contexts) are given to guests in order"
            )
        }
        return lines
    }
}

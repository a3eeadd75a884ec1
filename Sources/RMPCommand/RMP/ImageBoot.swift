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
            throw failure(error, image)
        }
        do throws(ImageAdoptionError) {
            try ScannedRMP(image.layout).give(to: &adoption, from: image.memory)
        } catch {
            switch error {
            case .memory(let error): throw image.failure(error)
            case .machine(let error): throw failure(error, image)
            }
        }
        let (machine, losses) = adoption.finish()
        let name = Printable.text(image.name)
        for line in losses.lines(isSegmented: image.layout.isSegmented) { log("\(name): \(line)") }
        return machine
    }

    private static func failure(_ error: AdoptionError, _ image: RMPSource) -> RMPSourceError {
        let remedy =
            switch error {
            case .notInitialized: "Give a processor with SNP, and no boot.stage in the machine file"
            case .undescribed, .size: "Are these the file's registers, and its entries as the processor keeps them?"
            case .noMemory: "Give the host's memory: --memory, or a machine file with its spans"
            }
        return RMPSourceError(image.name, "\(error). \(remedy)")
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

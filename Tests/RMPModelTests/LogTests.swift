// SPDX-License-Identifier: Apache-2.0
// The kernel's log: the exact text of each line, its level in every version, and when it is written.

import Testing

@testable import RMPModel

/// A line of the series: its text after the prefix, and its level in v1 to v10 and merged, `-` for a version without
/// it.
private struct ExpectedLine: Sendable, CustomTestStringConvertible {
    let message: KernelMessage
    let levels: String
    let text: String
    var testDescription: String { text }
}

@Suite struct LogTests {
    /// Levels: e error, w warning, n notice, i info, d debug.
    private static let lines: [ExpectedLine] = [
        .init(
            message: .threadCreated(pid: 1093),
            levels: "ii---------",
            text: "RMPOPT worker thread created with PID 1093"
        ),
        .init(message: .noThread, levels: "ww---------", text: "Unable to start RMPOPT kernel thread"),
        .init(
            message: .segmentedRequired,
            levels: "iin--------",
            text: "RMPOPT optimizations not enabled, segmented RMP required"
        ),
        .init(message: .notSupported, levels: "dd---------", text: "RMPOPT not supported on this platform"),
        .init(
            message: .snpNotEnabled,
            levels: "dd---------",
            text: "RMPOPT optimizations not enabled as SNP support is not enabled"
        ),
        .init(message: .terabytes(7), levels: "d----------", text: "NUM_TB pages in system 7"),
        .init(
            message: .socket(pages: 0..<0x3000_0000, cpus: CPUSet(all: 4)),
            levels: "d----------",
            text: "socket start_pfn 0x0, end_pfn 0x30000000, socket cpu mask 0-3"
        ),
        .init(
            message: .window(node: 1, cpus: CPUSet(all: 2), base: 0x180_0000_0001),
            levels: "d----------",
            text: "RMPOPT_BASE MSR on nodeid 1 cpu mask 0-1 set to 0x18000000001"
        ),
        .init(
            message: .noSubsystem(error: 12, name: "rmpopt"),
            levels: "e----------",
            text: "Error -12 while registering subsystem rmpopt"
        ),
        .init(message: .noWorkqueue, levels: "----eeeeeee", text: "Failed to allocate RMPOPT workqueue"),
        .init(
            message: .coverageLimited(end: 2 << 40),
            levels: "----iiiiii-",
            text: "RMPOPT coverage limited to 2TB; memory above 0x20000000000 not optimized"
        ),
        .init(message: .noCPUMask, levels: "--------ee-", text: "Failed to allocate RMPOPT cpumask"),
        .init(
            message: .passSkipped,
            levels: "---------w-",
            text: "RMP optimization pass skipped: cpumask allocation failed"
        ),
    ]
    private static let letters: [LogLevel: Character] = [
        .error: "e", .warning: "w", .notice: "n", .info: "i", .debug: "d",
    ]

    @Test(arguments: lines) private func line(_ line: ExpectedLine) {
        let levels = Series.all.map { series in
            line.message.level(in: series).flatMap { LogTests.letters[$0] } ?? "-"
        }
        #expect(String(levels) == line.levels)
        #expect(line.message.text(in: .v1) == "SEV-SNP: " + line.text)
        #expect(line.message.text(in: .v10) == "SEV-SNP: " + line.text)
    }

    /// The example in the posted logs; v3 and later word it more carefully.
    @Test func aPassIsAnnounced() {
        let message = KernelMessage.passBegins(0..<0x200_0000_0000)
        let rest = " on physical address range @1GB alignment [0x0000000000000000 - 0x0000020000000000]"
        for series in Series.all {
            let first = series.version <= 2 ? "RMP optimizations enabled" : "Attempt RMP optimizations"
            // The merged driver logs no passes.
            #expect(message.level(in: series) == (series == .merged ? nil : .info))
            #expect(series == .merged || message.text(in: series) == "SEV-SNP: " + first + rest)
        }
    }

    @Test(arguments: Series.all) func eachPassHasItsLineAndTime(_ series: Series) throws {
        let machine = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 4 << 30, series: series))
        let lines = machine.logLines.filter { $0.text.contains(" on physical address range ") }
        #expect(!machine.passes.isEmpty)
        #expect(lines.map(\.time) == (series == .merged ? [] : machine.passes.map(\.start)))
        #expect(lines.allSatisfy { $0.text.hasSuffix("[0x0000000000000000 - 0x0000000100000000]") })
    }

    /// A pass covers all memory in v1, and ends 2 TB above its start in the others; v5 to v10 log that.
    @Test(arguments: Series.all) func coverage(_ series: Series) throws {
        let machine = Machine(try MachineConfiguration(cpus: 2, memoryBytes: 3 << 40, series: series))
        let end = series.version == 1 ? "0x0000030000000000]" : "0x0000020000000000]"
        let lines = machine.logLines.map(\.text)
        #expect(lines.contains { $0.hasSuffix("[0x0000000000000000 - " + end) } == (series != .merged))
        #expect(machine.passes.last?.regionsScanned == (series.version == 1 ? 3_072 : 2_048))
        let told = lines.count {
            $0 == "SEV-SNP: RMPOPT coverage limited to 2TB; memory above 0x20000000000 not optimized"
        }
        #expect(told == ((5...10).contains(series.version) ? 1 : 0))
        let whole = Machine(try MachineConfiguration(cpus: 2, memoryBytes: 2 << 40, series: series))
        #expect(!whole.logLines.contains { $0.text.contains("coverage limited") })
    }

    // MARK: Failures

    private func failing(_ failure: DriverFailure, _ series: Series) throws -> Machine {
        var configuration = try MachineConfiguration(cpus: 4, memoryBytes: 4 << 30, series: series)
        configuration.boot.driverFailures = [failure]
        return Machine(configuration)
    }

    @Test(arguments: Series.all) func withoutThread(_ series: Series) throws {
        let machine = try failing(.thread, series)
        let fails = series.version <= 2
        #expect(machine.isDriverSetUp == !fails && (machine.passCount == 0) == fails)
        // RMPOPT_BASE was written before that; v1 registers its files only once the thread exists.
        #expect(machine.rmpoptBase(ofCPU: 0)?.isEnabled == true)
        #expect(machine.hasConfigfs == false && machine.hasDebugfsTable == (!fails && series.version <= 8))
    }

    /// v1 tries to register once and ignores the result: the thread runs as if it had succeeded.
    @Test(arguments: Series.all) func withoutConfigfs(_ series: Series) throws {
        let machine = try failing(.configfs, series)
        #expect(!machine.hasConfigfs && machine.isDriverSetUp && machine.passCount > 0)
        let texts = machine.logLines.map(\.text)
        #expect(
            texts.filter { $0.contains("registering") }
                == (series.version == 1 ? ["SEV-SNP: Error -12 while registering subsystem rmpopt"] : [])
        )
        let sound = Machine(try MachineConfiguration(cpus: 4, memoryBytes: 4 << 30, series: series))
        #expect(sound.hasConfigfs == (series.version == 1))
        #expect(sound.logLines.map(\.text) == texts.filter { !$0.contains("registering") })
    }

    @Test(arguments: Series.all) func withoutWorkqueue(_ series: Series) throws {
        var machine = try failing(.workqueue, series)
        let fails = series.version >= 3
        let told = machine.logLines.contains { $0.text.contains("RMPOPT workqueue") && $0.level == .error }
        #expect(told == (series.version >= 5))
        // v3 has written RMPOPT_BASE before its workqueue fails.
        #expect(machine.isDriverSetUp == !fails)
        #expect(machine.rmpoptBase(ofCPU: 0)?.isEnabled == (series.version <= 3))
        #expect(machine.hasDebugfsTable == (!fails && series.version <= 8))
        let outcome = try machine.perform(.reoptimize, at: machine.now)
        #expect((outcome == .pass(.ignored)) == fails)
        machine.runToIdle()
        #expect((machine.passCount == 0) == fails)
    }

    @Test(arguments: Series.all) func withoutMasks(_ series: Series) throws {
        let maskless = try failing(.cpumask, series)
        #expect(maskless.isDriverSetUp == ![1, 9, 10].contains(series.version))
        // v1 returns before it writes RMPOPT_BASE or starts the thread, and logs nothing.
        if series.version == 1 {
            #expect(maskless.rmpoptBase(ofCPU: 0)?.isEnabled == false && maskless.undefinedOpcodes == 0)
            #expect(!maskless.logLines.contains { $0.level == .error || $0.text.contains("thread") })
        }
        let machine = try failing(.passCPUMask, series)
        #expect(machine.isDriverSetUp && (machine.passCount == 0) == (6...10).contains(series.version))
        let told = machine.logLines.contains { $0.text.contains("pass skipped") && $0.level == .warning }
        #expect(told == (series.version == 10))
        // The pass is announced before its mask is allocated.
        let announced = machine.logLines.contains { $0.text.contains(" on physical address range ") }
        #expect(announced == (series != .merged))
        #expect(machine.pendingPass == nil && machine.nextDue == nil)
    }

    // MARK: Hosts without RMPOPT

    @Test(arguments: Series.all) func withoutRMPOPT(_ series: Series) throws {
        var configuration = try MachineConfiguration(cpus: 4, memoryBytes: 4 << 30, series: series)
        configuration.processor.rmpopt = false
        let machine = Machine(configuration)
        #expect(!machine.isDriverSetUp && machine.passCount == 0 && !machine.hasDebugfsTable)
        let line = machine.logLines.first { $0.text == "SEV-SNP: RMPOPT not supported on this platform" }
        #expect(line?.level == (series.version <= 2 ? .debug : nil))
    }
}

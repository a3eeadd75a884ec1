// SPDX-License-Identifier: Apache-2.0
// RMPOPT as one core executes it: F2 0F 01 FC, address in RAX, function in RCX, answer in the carry flag.

/// The functions of RMPOPT, as numbered in RCX.
///
/// Source: series cover letters ("currently supports two functions").
public enum RMPOPTFunction: UInt64, Sendable, Hashable, CaseIterable {
    /// Verify and report: check that the whole region is hypervisor-owned and set this core's bit.
    case verifyAndReport = 0
    /// Report: return this core's bit.
    case report = 1
}

/// A fault that RMPOPT raises instead of answering.
public enum RMPOPTFault: Error, Sendable, Hashable, CustomStringConvertible {
    /// #UD: RMPOPT_EN is 0 on this core (Ashish Kalra, 2026-05-28), or SNP_EN is 0 (a choice: without it RMPOPT_EN
    /// cannot be set, and no source says what happens if SNP_EN is cleared first).
    case undefinedOpcode
    /// #GP: RCX names no function. A choice: only AMD's publication 69201 could say. #UD comes first.
    case generalProtection

    /// The fault's mnemonic.
    public var description: String { self == .undefinedOpcode ? "#UD" : "#GP" }
}

extension RMPOPTTables {
    /// RMPOPT on `core` for the region that holds `spa`; the address is aligned down to 1 GB.
    ///
    /// A region outside the core's window, or beyond memory, gives 0: its bit does not exist. (A choice: series v1's
    /// table prints `none` for memory above the window, which agrees.) So does a region that the RMP does not cover as
    /// a whole: without entries nothing can be verified (also a choice).
    ///
    /// - Returns: CF. True if the region's bit of this core is set, after verifying it with function 0.
    mutating func execute(
        core: Int,
        spa: SPA,
        function: UInt64,
        rmp: borrowing RMP
    ) throws(RMPOPTFault) -> Bool {
        if !bases[core].isEnabled { throw .undefinedOpcode }
        guard let function = RMPOPTFunction(rawValue: function) else { throw .generalProtection }
        let region = spa.region
        guard region < regionCount else { return false }
        guard isInWindow(region: region, core: core) else { return false }
        if function == .verifyAndReport && rmp.isOptimizable(region) { set(region: region, core: core) }
        return isSet(region: region, core: core)
    }
}

// SPDX-License-Identifier: Apache-2.0
// What can go wrong when the driver of the series asks the kernel for something, and what it says then.

/// Something that the kernel has no memory for. A version that does not ask for it, or says nothing of it, does not
/// notice; but for `passCPUMask`, which v6 to v9 take in silence.
///
/// Source: the error paths of series v1 to v10.
public enum DriverFailure: Sendable, Hashable, CaseIterable {
    /// The kernel thread of v1 and v2: RMPOPT_BASE is written, and no pass ever runs.
    case thread
    /// The workqueue: nothing is set up.
    case workqueue
    /// The mask of the CPUs that have RMPOPT enabled: nothing is set up.
    case cpumask
    /// The mask of a pass' followers: each pass is skipped.
    case passCPUMask

    /// What the kernel says.
    var message: KernelMessage {
        switch self {
        case .thread: .noThread
        case .workqueue: .noWorkqueue
        case .cpumask: .noCPUMask
        case .passCPUMask: .passSkipped
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// What can fail when the driver of the series requests something from the kernel, and what it then prints.

/// Something that the kernel cannot allocate. A version that does not ask for it does not notice; one that does may
/// stay silent: v1 does without its mask, v3 and v4 without their workqueue, v6 to v9 without a pass' mask, all without
/// a message.
///
/// Source: the error paths of the versions; `Series` says what each one allocates.
public enum DriverFailure: Sendable, Hashable, CaseIterable {
    /// The kernel thread of v1 and v2: RMPOPT_BASE is written, but no pass ever runs.
    case thread
    /// The configfs subsystem of v1: `action` and `description` do not exist; the return value is ignored.
    case configfs
    /// The workqueue of v3 and later: nothing is set up.
    case workqueue
    /// The mask of the CPUs on which RMPOPT_BASE is written, in v1, v9 and v10: nothing is set up.
    case cpumask
    /// The mask of a pass' followers: each pass is skipped.
    case passCPUMask

    /// Whether a version asks for it.
    func strikes(_ series: Series) -> Bool {
        switch (self, series.worker) {
        case (.thread, .thread), (.workqueue, .unboundWorkqueue), (.workqueue, .perCPUWorkqueue): true
        case (.thread, _), (.workqueue, _): false
        case (.configfs, _): series.hasConfigfs
        case (.cpumask, _): series.allocatesSetUpMask
        case (.passCPUMask, _): series.allocatesPassMask
        }
    }

    /// What the kernel prints.
    var message: KernelMessage {
        switch self {
        case .thread: .noThread
        case .configfs: .noSubsystem(error: 12, name: "rmpopt")
        case .workqueue: .noWorkqueue
        case .cpumask: .noCPUMask
        case .passCPUMask: .passSkipped
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
// What must be met: for each kind of step, each of its outcomes; for each cause, each page state that it leads from and
// to. Both tables are complete: nothing else may ever be met.

@testable import RMPModel

enum Required {
    private static let settings: Set<String> = ["done", "busy guestRunning", "busy guestEnding", "noSuchGuest"]
    private static let pages: Set<String> = [
        "work", "busy guestNotRunning", "busy guestEnding", "noSuchGuest", "invalid pageRange", "invalid outsideMemory",
        "invalid ordinaryGuest", "FAIL_PERMISSION", "FAIL_INUSE",
    ]

    /// Outcomes by kind of step. Left out: `tooManyGuests`, which takes 65,536 guests, and `unsupported snp`, which
    /// takes another processor; tests of limits and of firmware meet them.
    static let outcomes: [String: Set<String>] = [
        "RMPUPDATE": ["done", "FAIL_INPUT", "FAIL_PERMISSION", "FAIL_INUSE", "FAIL_OVERLAP", "noSNP"],
        "PSMASH": ["done", "FAIL_INPUT", "FAIL_PERMISSION", "FAIL_INUSE", "noSNP"],
        "RMPREAD": ["assigned", "hypervisor-owned", "FAIL_INPUT"],
        "RMPOPT": ["carry 1", "carry 0", "#UD", "#GP", "invalid cpu"],
        "PVALIDATE": [
            "changed", "unchanged", "failInput", "failSizeMismatch", "fault notAssigned", "fault sizeMismatch",
        ],
        "WRMSR": ["done", "msr", "invalid cpu"],
        "firmware": ["done", "invalid pageState", "noSNP"],
        "lock": ["done", "invalid pageState"],
        "request": ["begun", "scheduled", "absorbed", "lost", "ignored"],
        "create": ["guest", "exists", "invalid name"],
        "type": settings,
        "host": ["done", "invalid memoryGranularity", "noMemory"],
        "cache": ["done", "invalid memoryGranularity", "noMemory"],
        "memory": settings.union(["invalid memoryGranularity", "noMemory"]),
        "backing": settings,
        "placement": settings.union(["placement noRanges", "placement granularity", "placement notMemory"]),
        "node": settings.union(["placement noSuchNode", "placement nodeWithoutMemory"]),
        "vcpus": settings.union(["invalid vcpus"]),
        "createVM": ["done", "noSuchGuest", "noSNP", "noASID"],
        "start": [
            "done", "busy guestEnding", "noSuchGuest", "noSNP", "noASID", "noMemory", "invalid noMemorySet",
            "invalid memoryForBacking", "placement notFree", "placement granularity", "placement otherNode",
            "FAIL_INUSE",
        ],
        "stop": ["done", "noSuchGuest"],
        "remove": ["done", "noSuchGuest"],
        "convert": pages,
        "validate": pages,
        "leak": ["leaked", "noSNP", "invalid noPages", "placement notMemory", "placement notFree"],
        "online": ["done", "invalid cpu", "busy hotplugForbidden", "busy neededCPU"],
        "SNP_INIT_EX": ["done", "firmwareFailed", "unsupported offlineCPUs"],
        "SNP_SHUTDOWN_EX": ["done", "busy guestsLeft", "unsupported x86Shutdown"],
        "fail": ["done"],
        "kexec": ["done", "busy guestsLeft", "invalid cpu"],
        "addMemory": ["done"],
        "hold": ["done"],
        "wait": ["done"],
        "run": ["done"],
    ]

    /// Transitions that may be met but need not be: they take a swapped-in guest page in memory that was firmware's
    /// before.
    static let rare: Set<Coverage.Transition> = [
        Coverage.Transition(cause: .shutDown, old: .preSwap, new: .hypervisor)
    ]

    /// Transitions of page states by what causes them.
    static let transitions: Set<Coverage.Transition> = {
        var all: Set<Coverage.Transition> = []
        func add(_ cause: NaiveCause, _ old: [NaiveState], _ new: [NaiveState]) {
            for old in old { for new in new { all.insert(Coverage.Transition(cause: cause, old: old, new: new)) } }
        }
        func keep(_ cause: NaiveCause, _ states: [NaiveState]) { for state in states { add(cause, [state], [state]) } }
        let every = NaiveState.allCases
        // The RMP starts afresh: first everything is hypervisor-owned.
        add(.anew, every, [.hypervisor])
        add(.anew, [.hypervisor], [.hypervisorFixed, .firmware])
        // ASEG is fixed before the kernel's list names it.
        keep(.anew, [.hypervisorFixed])
        // RMPUPDATE takes what is not immutable, clears validated, and writes any state but those that need validated,
        // VMSA, or immutable without assigned.
        let old: [NaiveState] = [.hypervisor, .reclaim, .guestInvalid, .guestValid]
        let new: [NaiveState] = [.hypervisor, .reclaim, .firmware, .iommu, .metadata, .guestInvalid, .preGuest]
        add(.rmpupdate4K, old, new)
        add(.rmpupdate2M, old, new)
        keep(.psmash, [.reclaim, .guestInvalid, .guestValid])
        add(.pvalidate, [.guestInvalid], [.guestValid])
        add(.pvalidate, [.guestValid], [.guestInvalid])
        keep(.lock, every)
        add(.launchEnd, [.preGuest], [.guestValid, .guestInvalid])
        add(.shutDown, every.filter { $0 != .hypervisorFixed }, [.hypervisor])
        for (change, targets) in NaiveRMP.changes {
            for (from, to) in targets { add(.firmware(change), [from], [to]) }
        }
        return all
    }()
}

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The weak spots W16 to W31, which the merged form brought to light, each in every version: the flaw exists where the
# code has it, and nowhere else. Uses only files, in virtual time. docs/scenarios/ tells each as a story.
# TIMEOUT: 290
# shellcheck disable=SC2317,SC2119 # the functions are called by name

# shellcheck source=Tests/Scripts/weak-spots.bash
. "$(dirname "$0")/weak-spots.bash"

# column NAME: of the last finished pass.
column() {
    awk -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i } END { print $column }' \
        "$D/passes"
}
regions() { wc -l <"$D/cpu0"; }
# said TEXT: how many lines of the log contain it.
said() { grep -cF -- "$1" "$D/log"; }
# a_pass: requests a pass and lets it finish.
a_pass() {
    echo 1 >"$M/rmpopt/reenable"
    pass 1min
}

# W16: one core has interrupts off for the whole range, not for one region: 64 regions and more than 1 ms here.
w16() {
    host w16 "$1"
    a_pass
    flaw W16 "$1" "$(answer [ "$(column interrupts_off_ns)" -gt 1000000 ])" merged merged
    unmount_host
}

# W17: the core that scanned first scans again. With three cores of one thread, three RMPOPT per region would be enough.
w17() {
    host w17 "$1" --cpus 3
    a_pass
    flaw W17 "$1" "$(answer [ "$(column executions)" -gt $((3 * $(regions))) ])" merged merged
    unmount_host
}

# W18: the pass of SNP_INIT_EX comes 10 s later, and VMs that are never launched put it off.
w18() {
    local name
    host w18 "$1" --boot kernel
    pass 1s
    echo init >"$F"
    mkdir "$G/vm"
    for name in 1 2 3 4 5; do
        pass 9s
        echo created >"$G/vm/state"
        echo stopped >"$G/vm/state"
    done
    flaw W18 "$1" "$(answer [ "$(lost 0)" = "$(regions)" ])" merged merged
    unmount_host
}

# W19: a pass keeps the CPU of a per-CPU worker for more than 10 ms, and the workqueue complains the fourth time.
w19() {
    host w19 "$1" --cpus 4 --memory 1T
    a_pass && a_pass && a_pass && a_pass
    flaw W19 "$1" "$(answer grep -q 'do_rmpopt_work hogged CPU for >10000us 4 times' "$D/log")" merged merged
    unmount_host
}

# W20: with KVM built in, SNP_INIT_EX comes before the driver's own initcall: no MSR, no pass, and a line that claims
# the opposite. A guest's end repairs it.
machine built-in 'cpus: {cores_per_package: 4}
memory: [{start: 0, size: 8G}]
boot: {kvm: built-in}'
w20() {
    local seen
    host w20 "$1" --machine "$work/built-in.yaml"
    pass 1min
    seen=$(answer [ "$(cat "$F") $(said 'RMPOPT optimizations enabled') $(lost 0)" = "init 1 $(regions)" ])
    guest vm 64M
    end vm
    pass 1min
    if [ "$1" != v1 ] && [ "$(lost 0)" = "$(regions)" ]; then seen='not repaired'; fi
    flaw W20 "$1" "$seen" merged merged
    unmount_host
}

# W21: the processor has the segmented RMP, firmware chose a contiguous one: RMPOPT_EN is refused, and RMPOPT is a #UD.
machine contiguous 'cpus: {cores_per_package: 4}
memory: [{start: 0, size: 8G}]
rmp: {contiguous: {base: 0x8700000, end: 0xa703fff}}'
w21() {
    local seen=no
    host w21 "$1" --machine "$work/contiguous.yaml"
    pass 1min
    if [ "$(cat "$M/rmpsim/firmware/snp_enabled")" != 1 ]; then seen='no SNP'; fi
    if [ "$(said 'unchecked MSR access error: WRMSR to 0xc0010139')" = 1 ] && [ "$(said 'invalid opcode')" -gt 0 ]; then
        seen=yes
    fi
    flaw W21 "$1" "$seen" merged merged
    unmount_host
}

# W22: the RMP does not cover the memory, so SNP cannot be enabled, but the driver says that its optimizations are.
machine not-covered 'cpus: {cores_per_package: 4}
memory: [{start: 0, size: 8G}]
rmp: {segments: [{index: 0, base: 0x8800000, covers: 4G}]}'
w22() {
    local seen
    host w22 "$1" --machine "$work/not-covered.yaml"
    pass 1min
    seen=$(answer [ "$(cat "$M/rmpsim/firmware/snp_enabled") $(said 'optimizations enabled')" = '0 1' ])
    flaw W22 "$1" "$seen" merged merged
    unmount_host
}

# W23: RMPOPT_EN outlives SNP_EN, except on a core that was offline at that time; the asking core has it, so nothing is
# written, and that core takes a #UD.
machine keeps 'cpus: {packages: 1, cores_per_package: 4, threads_per_core: 2}
memory: [{start: 0, size: 8G}]
processor: {keeps_rmpopt_enable: true}'
w23() {
    local value cpu
    host w23 "$1" --machine "$work/keeps.yaml"
    # v1 to v3 have no such shutdown.
    if among "$1" v4 merged; then
        echo shutdown_x86 >"$F"
        for value in 0 1; do
            for cpu in 3 7; do echo "$value" >"$M/rmpsim/cpus/cpu$cpu/online"; done
        done
        echo init >"$F"
    fi
    pass 1min
    flaw W23 "$1" "$(answer [ "$(faults)" -gt 0 ])" merged merged
    unmount_host
}

# W24: a pass that is pending when SNP_EN is cleared. v4 ignores it at a shutdown; later versions cancel it, and here
# there is no moment between the two.
w24() {
    host w24 "$1"
    guest vm 64M
    end vm
    pass 9s
    if among "$1" v4 merged; then echo shutdown_x86 >"$F"; fi
    pass 1min
    flaw W24 "$1" "$(answer [ "$(faults)" -gt 0 ])" v4 v4
    unmount_host
}

# W25: SNP_INIT_EX after a legacy shutdown postpones a pending pass, so everything is slow for another 10 s.
w25() {
    local before after seen=no
    host w25 "$1"
    guest vm 64M
    end vm
    pass 9s
    before=$(schedule due_ns)
    echo shutdown >"$F"
    # The shutdown leaves it alone.
    [ "$(schedule due_ns)" = "$before" ] || seen=cancelled
    echo init >"$F"
    after=$(schedule due_ns)
    if [ "$before" != - ] && [ "$after" != - ] && [ "$after" -gt "$before" ]; then seen=yes; fi
    flaw W25 "$1" "$seen" merged merged
    unmount_host
}

# W26: a VM ends after SNP_EN was cleared: writing RMPOPT_BASE is useless, and the pass that it requests takes a #UD. v4
# does not write the register, but passes; since v5 the workqueue is gone.
w26() {
    local seen=no
    host w26 "$1"
    mkdir "$G/vm"
    echo created >"$G/vm/state"
    if among "$1" v4 merged; then echo shutdown_x86 >"$F"; fi
    echo stopped >"$G/vm/state"
    pass 1min
    if [ "$(faults)" -gt 0 ]; then seen=yes; fi
    if [ "$1" = merged ] && [ "$(said 'unchecked MSR access error')" != 1 ]; then seen='no line'; fi
    flaw W26 "$1" "$seen" v4 v4 merged merged
    unmount_host
}

# W28: memory that was added after boot stays out of the range forever, where the range is computed once; v4 to v10
# include it at their next set-up.
machine late-memory 'cpus: {cores_per_package: 4}
memory: [{start: 0, size: 16G}]
boot: {late_memory: 4G}'
w28() {
    host w28 "$1" --machine "$work/late-memory.yaml"
    echo 1 >"$M/rmpsim/memory/online"
    a_pass
    if among "$1" v4 merged; then echo shutdown_x86 >"$F"; else echo shutdown >"$F"; fi
    echo init >"$F"
    pass 1min
    a_pass
    # The last region that existed at boot is optimized.
    if ! grep -q '^Memory @ 11GB: optimized$' "$D/cpu0"; then
        not_ok "W28 $1: no pass"
        return
    fi
    flaw W28 "$1" "$(answer [ "$(grep -cE '@ 1[2-5]GB: optimized' "$D/cpu0")" = 0 ])" v1 v3 merged merged
    unmount_host
}

# W29: a pass leaves no line in the kernel's log.
w29() {
    local before
    host w29 "$1"
    before=$(wc -l <"$D/log")
    a_pass
    flaw W29 "$1" "$(answer [ "$(wc -l <"$D/log")" = "$before" ])" merged merged
    unmount_host
}

# W30: results of the first scan that do not stay in the cache cost every other core a scan of its own, all of them in
# one stretch with interrupts off: here 56 of 64 regions.
machine small-cache 'cpus: {cores_per_package: 4}
memory: [{start: 0, size: 64G}]
costs: {independent_follower: 2000, cached_regions: 8}'
machine large-cache 'cpus: {cores_per_package: 4}
memory: [{start: 0, size: 64G}]
costs: {independent_follower: 2000}'
w30() {
    local large
    host w30 "$1" --machine "$work/large-cache.yaml"
    a_pass
    large=$(column interrupts_off_ns)
    unmount_host
    host w30 "$1" --machine "$work/small-cache.yaml"
    a_pass
    flaw W30 "$1" "$(answer [ "$(column interrupts_off_ns)" -gt $((10 * large)) ])" merged merged
    unmount_host
}

# W31: SNP_INIT_EX fails after SNP_EN was set: RMP checks are on, nothing is optimized, and no CPU can be taken offline.
w31() {
    local seen=no
    host w31 "$1" --boot kernel
    echo 1 >"$M/rmpsim/firmware/fail_init"
    echo init 2>/dev/null >"$F"
    pass 1min
    [ "$(cat "$F" "$M/rmpsim/firmware/snp_enabled" | paste -sd ' ')" = 'uninit 1' ] || seen='no SNP_EN'
    if ! echo 0 2>/dev/null >"$M/rmpsim/cpus/cpu1/online"; then seen=yes; fi
    flaw W31 "$1" "$seen" v10 merged
    unmount_host
}

# W27 needs an ioctl(2) on /dev/sev, W32 CPUs that the host isolates; neither exists here.
spots w16 w17 w18 w19 w20 w21 w22 w23 w24 w25 w26 w28 w29 w30 w31

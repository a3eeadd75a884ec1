#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The weak spots W1 to W15 of the posted versions, each in every version and in the merged form: the flaw exists where
# it was posted, and nowhere else. Uses only files, in virtual time. docs/scenarios/ tells each as a story.
# TIMEOUT: 290
# shellcheck disable=SC2317,SC2119 # the functions are called by name

# shellcheck source=Tests/Scripts/weak-spots.bash
. "$(dirname "$0")/weak-spots.bash"

# W1: a request during the pass of SNP_INIT_EX is absorbed and causes no pass. v2 has no requests by users; our file
# wakes its thread as others do, which is W3.
w1() {
    local seen=no before
    host w1 "$1"
    if [ -e "$M/rmpopt/action" ]; then
        echo shutdown >"$F"
        echo init >"$F"
        pass 100us
        [ "$(schedule running)" = yes ] || seen='no pass'
        echo 1 >"$M/rmpopt/action"
        grep -q Yes "$M/rmpopt/action" || seen='no flag'
        pass 1min
        case $(passes) in
        *request*) ;;
        *) if [ "$seen" = no ] && grep -q No "$M/rmpopt/action"; then seen=yes; fi ;;
        esac
    elif [ "$1" != v2 ]; then
        before=$(passes_ended)
        echo 1 >"$M/rmpopt/reenable"
        pass 100us
        echo 1 >"$M/rmpopt/reenable"
        pass 1min
        [ "$(passes_ended)" = $((before + 2)) ] || seen=yes
    fi
    flaw W1 "$1" "$seen" v1 v1
    unmount_host
}

# W2: a request between the clearing of the flag and the thread's sleep leaves the flag set forever.
w2() {
    local seen=no before length
    host w2 "$1"
    if [ -e "$M/rmpopt/action" ]; then
        echo 1 >"$M/rmpopt/action"
        pass 1min
        # The duration of a pass, to the nanosecond: the next one takes as long.
        length=$(awk 'END { print $4 - $3 }' "$D/passes")
        echo 1 >"$M/rmpopt/action"
        pass "${length}ns"
        grep -q No "$M/rmpopt/action" || seen='not ended'
        before=$(passes_ended)
        echo 1 >"$M/rmpopt/action"
        pass 1min
        echo 1 >"$M/rmpopt/action"
        pass 1min
        if grep -q Yes "$M/rmpopt/action" && [ "$(passes_ended)" = "$before" ]; then seen=yes; fi
        # Until something else wakes the thread.
        echo shutdown >"$F"
        echo init >"$F"
        pass 1min
        grep -q No "$M/rmpopt/action" || seen='for ever'
    else
        echo 1 >"$M/rmpopt/reenable"
        pass 1min
        length=$(awk 'END { print $4 - $3 }' "$D/passes")
        echo 1 >"$M/rmpopt/reenable"
        pass "${length}ns"
        echo 1 >"$M/rmpopt/reenable"
        pass 1min
        before=$(passes_ended)
        echo 1 >"$M/rmpopt/reenable"
        pass 1min
        [ "$(passes_ended)" -gt "$before" ] || seen=yes
    fi
    flaw W2 "$1" "$seen" v1 v1
    unmount_host
}

# W3: SNP_INIT_EX while a pass is running: its wake-up is lost, and everything behind the cursor stays slow.
w3() {
    local before
    host w3 "$1"
    echo 1 >"$M/rmpopt/reenable"
    pass 2ms
    before=$(lost 0)
    echo shutdown >"$F"
    echo init >"$F"
    pass 1min
    # v5 and later do not scan after a legacy shutdown (W7): there the next request does.
    if among "$1" v5 v10; then
        echo 1 >"$M/rmpopt/reenable"
        pass 1min
    fi
    flaw W3 "$1" "$(answer [ "$(lost 0)" -gt "$before" ])" v1 v2
    unmount_host
}

# W4: the first guest's end fixes the pass; one that ends 9.9 s later is scanned 0.1 s after its end.
w4() {
    local due=-
    host w4 "$1"
    guest a 1G
    guest b 1G
    end a
    due=$(schedule due_ns)
    pass 9900ms
    end b
    flaw W4 "$1" "$(answer [ "$due" != - -a "$(schedule due_ns)" = "$due" ])" v3 v7
    unmount_host
}

# W5: guests that end less than 10 s apart each postpone the pass.
w5() {
    local before name
    host w5 "$1"
    for name in a b c d; do guest "$name" 1G; done
    before=$(passes_ended)
    for name in a b c d; do
        end "$name"
        pass 9s
    done
    flaw W5 "$1" "$(answer [ "$(passes_ended)" = "$before" -a "$(schedule pending)" = yes ])" v8 merged
    unmount_host
}

# W6: the end of a large guest takes longer than the delay; the pass finds its pages assigned.
w6() {
    local before
    host w6 "$1" --memory 2T
    before=$(lost 0)
    guest big 1500G page_size 4K
    end big
    pass 1h
    if [ "$(cat "$G/big/state")" != stopped ]; then
        not_ok "W6 $1: the guest has not ended"
        return
    fi
    # v1 has no pass at a guest's end; one that is requested afterwards gains everything.
    if [ "$1" = v1 ]; then
        echo 1 >"$M/rmpopt/reenable"
        pass 1min
    fi
    # v2 passes when the last inode is freed, except for regions behind the cursor of a running pass (W3).
    flaw W6 "$1" "$(answer [ "$(lost 0)" -gt $((before + 100)) ])" v3 merged
    unmount_host
}

# W7: after a legacy shutdown and SNP_INIT_EX the table is empty, and set-up returns early: no pass.
w7() {
    host w7 "$1"
    echo shutdown >"$F"
    echo init >"$F"
    pass 1min
    flaw W7 "$1" "$(answer [ "$(lost 0)" = "$(wc -l <"$D/cpu0")" ])" v5 v10
    unmount_host
}

# a_late_core: core 3 (CPUs 3 and 7) comes online when the driver is set up; unbound work runs on CPU 3. v1 to v3 are
# set up at boot with that core offline. The others use an init whose first attempt firmware fails, which leaves SNP_EN
# set; the second attempt then does not check for offline CPUs. From v8 on this is impossible: hotplug is disabled.
machine some-offline 'cpus: {packages: 1, cores_per_package: 4, threads_per_core: 2, online: "0-2,4-6"}
memory: [{start: 0, size: 8G}]
boot: {stage: kernel, worker_cpu: 3}'
machine late 'cpus: {packages: 1, cores_per_package: 4, threads_per_core: 2}
memory: [{start: 0, size: 8G}]
boot: {stage: kernel, worker_cpu: 3}'
a_late_core() {
    local cpu
    if among "$2" v1 v3; then
        host "$1" "$2" --machine "$work/some-offline.yaml"
    else
        host "$1" "$2" --machine "$work/late.yaml"
        echo 1 >"$M/rmpsim/firmware/fail_init"
        echo init >"$F"
        # v10 and later have already disabled hotplug before that attempt (W31).
        for cpu in 3 7; do echo 0 >"$M/rmpsim/cpus/cpu$cpu/online"; done
        echo init >"$F"
        pass 1min
        [ "$(cat "$F")" = init ] || echo "# $2: SNP_INIT_EX failed"
    fi 2>/dev/null
    echo 1 2>/dev/null >"$M/rmpsim/cpus/cpu3/online"
}

# W8: RMPOPT on a core that comes online late, whose RMPOPT_EN is 0, is a #UD: in v1 and v2 at every pass, in v3 to v5
# if the pass's work runs on that core, as it does here. v6 checks whether its core is in the mask.
w8() {
    local before
    a_late_core w8 "$1"
    before=$(faults)
    echo 1 >"$M/rmpopt/reenable"
    pass 1min
    flaw W8 "$1" "$(answer [ "$(faults)" -gt "$before" ])" v1 v5
    unmount_host
}

# W9: a core whose primary thread is offline is left out, although its sibling is online. After kexec with SNP_EN set,
# nothing checks whether all CPUs are online.
machine eight-cpus 'cpus: {packages: 1, cores_per_package: 4, threads_per_core: 2}
memory: [{start: 0, size: 8G}]'
w9() {
    host w9 "$1" --machine "$work/eight-cpus.yaml"
    echo 'kexec 0,2-7' >"$F"
    pass 1min
    echo init >"$F"
    pass 1min
    flaw W9 "$1" "$(answer [ "$(lost 5)" -gt "$(lost 0)" ])" v3 merged
    unmount_host
}

# W10: memory that a guest gives back while it runs stays slow: nothing asks for a pass.
w10() {
    local before
    host w10 "$1"
    guest vm 8G placement aligned
    before=$(passes_ended)
    echo 'shared 2G 4G' >"$G/vm/convert"
    pass 1h
    # At least two whole regions without any page of the guest, and no pass.
    flaw W10 "$1" \
        "$(answer [ "$(grep -c ': not scanned$' "$D/blockers")" -ge 2 -a "$(passes_ended)" = "$before" ])" \
        v1 merged
    unmount_host
}

# W11: memory more than 2 TB above the start is slow on every core; v1 gives each socket or node its own window.
machine two-sockets 'cpus: {packages: 2, cores_per_package: 2, threads_per_core: 1}
memory:
  - {start: 0, size: 1536G, node: 0}
  - {start: 1536G, size: 1536G, node: 1}'
w11() {
    host w11 "$1" --machine "$work/two-sockets.yaml"
    # Region 3000 is memory of the second socket; its CPUs are 2 and 3.
    flaw W11 "$1" "$(answer grep -q '^Memory @3000GB: outside$' "$D/cpu2")" v2 merged
    unmount_host
}

# W12: the line for the address after the last is printed, except when a read begins there.
w12() {
    local table whole before parts seen=no
    host w12 "$1"
    for table in "$D/rmpopt-table" "$M/debug/x86/rmpopt/rmpopt-table"; do
        [ -e "$table" ] || continue
        whole=$(wc -l <"$table")
        # v5's file is not seekable, and head(1) tries to seek at its end.
        before=$(cat "$table" | head -n 64 | wc -c)
        parts=$(dd if="$table" bs="$before" status=none | wc -l)
        if [ "$whole" = 65 ] && [ "$parts" = 64 ]; then seen=yes; fi
        if [ "$whole" != 64 ] && [ "$whole" != 65 ]; then seen="$whole lines"; fi
    done
    flaw W12 "$1" "$seen" v1 v4
    unmount_host
}

# W13: a pass writes into the mask that a reader prints. Region 0 contains the RMP and is never optimized; a line that
# says so during a pass has another region's result.
w13() {
    local table seen=no step
    host w13 "$1"
    for table in "$D/rmpopt-table" "$M/debug/x86/rmpopt/rmpopt-table"; do
        [ -e "$table" ] || continue
        echo 1 >"$M/rmpopt/reenable"
        for ((step = 0; step < 120; step++)); do
            pass 60us
            if ! grep -q "^Memory @  0GB: CPU(s): none$" "$table"; then
                seen=yes
                break
            fi
        done
        pass 1min
        grep -q '^Memory @  0GB: CPU(s): none$' "$table" || seen='after the pass'
    done
    flaw W13 "$1" "$seen" v1 v4
    unmount_host
}

# W14: above 2 TB v1 needs memory for its lists; without it no RMPOPT_BASE is written, and the thread starts anyway:
# every RMPOPT is a #UD.
machine no-lists 'cpus: {packages: 2, cores_per_package: 2, threads_per_core: 1}
memory:
  - {start: 0, size: 1536G, node: 0}
  - {start: 1536G, size: 1536G, node: 1}
boot: {window_allocation: fails}'
w14() {
    host w14 "$1" --machine "$work/no-lists.yaml"
    flaw W14 "$1" "$(answer [ "$(faults)" -gt 0 -a "$(lost 0)" = 3072 ])" v1 v1
    unmount_host
}

# W15: one leaked page costs its GB, pass after pass.
w15() {
    host w15 "$1"
    echo 40G >"$M/rmpsim/memory/leak"
    echo 1 >"$M/rmpopt/reenable"
    pass 1min
    echo 1 >"$M/rmpopt/reenable"
    pass 1min
    flaw W15 "$1" "$(answer grep -qx 'Memory @ 40GB: leaked 1 pages' "$D/blockers")" v1 merged
    unmount_host
}

spots w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15

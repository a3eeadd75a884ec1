#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What triggers a pass in each version, and when the pass begins: boot, SNP_INIT_EX, configfs, guest_memfd inodes,
# decommission; and what becomes of passes at both shutdowns, at SNP_INIT_EX after each, and at kexec. Uses only files,
# in virtual time.
# TIMEOUT: 120
# shellcheck disable=SC2119,SC2317 # unmount_host takes the last one; functions are called by name

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"

# For each version, the visible effect of each trigger. `+10.000s guest-end`: a pass that began 10 s after the act.
declare -A expected=(
    [boot]='+0.000s boot|+0.000s boot|+0.001s boot||||||||'
    [snp-init]='+0.000s snp-init|+0.000s snp-init|+10.000s snp-init|+0.000s snp-init|=|=|=|=|=|=|+10.000s snp-init'
    [configfs]='+0.000s request|no file|=|=|=|=|=|=|=|=|='
    [guest-end]='|+0.000s guest-end|+10.000s guest-end|=|=|=|=|=|=|=|='
    # v2 makes a request for each of two inodes: the second comes during the pass of the first.
    [inodes]='asked 0 times|asked 2 times|asked 1 times|=|=|=|=|=|=|=|='
    [failed-decommission]='|+0.000s guest-end|+10.000s guest-end|=||=|=|=|=|=|='
    # Two ends 9 s apart.
    [two-ends]='|+0.000s guest-end +9.000s guest-end|+10.000s guest-end|=|=|=|=|+19.000s guest-end|=|=|='
    # A wake-up during a pass is lost; a work item is queued once more.
    [during-a-pass]='+0.000s request|=|+0.000s request +0.000s request|=|=|=|=|=|=|=|='
    [shutdown]='table, SNP_EN 1, pending no|=|=|=|=|=|=|=|no table, SNP_EN 1, pending no|=|='
    [init-after-shutdown]='+0.000s snp-init|=|+10.000s snp-init|+0.000s snp-init||=|=|=|=|=|+10.000s snp-init'
    # While a pass requested by a guest's end is pending.
    # v4 has the shutdown but no clean-up.
    [x86-shutdown]='Operation not supported|=|=|table, SNP_EN 0, pending yes|no table, SNP_EN 0, pending no|=|=|=|=|=|='
    [init-after-x86-shutdown]='-|=|=|+0.000s snp-init|=|=|=|=|=|=|+10.000s snp-init'
    [kexec]='+0.000s boot, 1 lines|=|+0.001s boot, 1 lines|, 0 lines|=|=|=|=|=|=|='
    [init-after-kexec]='+0.000s snp-init|=|+10.000s snp-init|+0.000s snp-init|=|=|=|=|=|=|+10.000s snp-init'
)
order=(boot snp-init configfs guest-end inodes failed-decommission two-ends during-a-pass shutdown init-after-shutdown
    x86-shutdown init-after-x86-shutdown kexec init-after-kexec)
versions=(v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 merged)
plan $((${#versions[@]} * ${#order[@]}))

clock() { cat "$M/rmpsim/clock"; }
pass() { echo "+$1" >"$M/rmpsim/clock"; }
schedule() { sed -n "s/^$1: //p" "$D/schedule"; }
# asked: the number of requests.
asked() { awk '/^(begun|scheduled|absorbed|lost):/ { sum += $2 } END { print sum }' "$D/schedule"; }
# begun SINCE: the passes that began at that time or later, each with the time since then and its trigger.
begun() {
    awk -v since="$1" '
        NR > 1 && $3 >= since { printf "%s+%.3fs %s", sep, int(($3 - since) / 1e6) / 1e3, $2; sep = " " }' "$D/passes"
}
# since COMMAND...: the passes that have begun within a minute after the command.
since() {
    local start
    start=$(clock)
    "$@"
    pass 1min
    begun "$start"
}
guest() {
    mkdir "$M/rmpsim/guests/$1" && echo 1G >"$M/rmpsim/guests/$1/memory" && echo running >"$M/rmpsim/guests/$1/state"
}
end() { echo stopped >"$M/rmpsim/guests/$1/state"; }
firmware() { echo "$1" >"$M/rmpsim/firmware/state"; }
host_state() {
    local table=no
    [ -z "$(find "$M/debug" -name rmpopt-table)" ] || table=
    printf '%stable, SNP_EN %s, pending %s' \
        "${table:+no }" "$(cat "$M/rmpsim/firmware/snp_enabled")" "$(schedule pending)"
}

two_ends() { end a; pass 9s; end b; }
twice() { echo 1 >"$M/rmpopt/reenable"; pass 100us; echo 1 >"$M/rmpopt/reenable"; }

# act TRIGGER: performs it on the host in the state that the trigger before has left.
act() {
    local before
    case $1 in
    boot) begun 0 ;;
    snp-init | init-after-shutdown | init-after-kexec) since firmware init ;;
    configfs) if [ -e "$M/rmpopt/action" ]; then since eval "echo 1 >'$M/rmpopt/action'"; else printf 'no file'; fi ;;
    guest-end)
        guest vm
        since end vm
        ;;
    inodes)
        guest vm2
        before=$(asked)
        end vm2
        pass 1min
        printf 'asked %d times' $(($(asked) - before))
        ;;
    failed-decommission)
        guest lost
        echo 1 >"$M/rmpsim/firmware/fail_decommission"
        since end lost
        ;;
    two-ends)
        guest a
        guest b
        since two_ends
        ;;
    during-a-pass) since twice ;;
    shutdown)
        firmware shutdown
        host_state
        ;;
    x86-shutdown)
        guest last
        end last
        pass 1s
        { firmware shutdown_x86; } 2>"$work/error" && host_state
        sed 's/.*error: //' "$work/error"
        ;;
    init-after-x86-shutdown)
        if [ "$(cat "$M/rmpsim/firmware/snp_enabled")" = 0 ]; then since firmware init; else printf -- -; fi
        ;;
    kexec)
        before=$(clock)
        firmware kexec
        pass 1min
        printf '%s, %d lines' "$(begun "$before")" "$(grep -c 'physical address range @1GB' "$D/log")"
        ;;
    esac
}

for place in "${!versions[@]}"; do
    version=${versions[place]}
    mount_host "$version" --cpus 4 --memory 8G --pace 0 --series "$version" --boot kernel
    D=$M/debug/rmpopt
    for trigger in "${order[@]}"; do
        IFS='|' read -ra row <<<"${expected[$trigger]}|"
        index=$place
        while [ "${row[index]-}" = = ]; do index=$((index - 1)); done
        expect "$version $trigger" "${row[index]-}" "$(act "$trigger")"
    done
    unmount_host
done
finish

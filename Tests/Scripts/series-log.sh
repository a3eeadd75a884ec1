#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every line of the versions in the log of a mount: its level, its text and its time, in the versions that have it and
# in no other. Uses only files; a machine file provokes each line about trouble.
# TIMEOUT: 200
# shellcheck disable=SC2119 # unmount_host takes the last one

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"

versions=(v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 merged)

# The hosts, each from a machine file: two sockets with a node of 1.5 TB each, and trouble; one has two nodes per
# socket.
declare -A hosts=(
    [sound]='boot: {log: raw}'
    [nodes]='boot: {log: raw}'
    [contiguous]='rmp: {contiguous: {base: 0x10000000, end: 0x310003fff}}
boot: {log: raw}'
    [no-rmpopt]='processor: {rmpopt: false}
boot: {log: raw}'
    [no-thread]='boot: {log: raw, driver_failure: thread}'
    [no-configfs]='boot: {log: raw, driver_failure: configfs}'
    [no-workqueue]='boot: {log: raw, driver_failure: workqueue}'
    [no-cpumask]='boot: {log: raw, driver_failure: cpumask}'
    [no-pass-cpumask]='boot: {log: raw, driver_failure: pass-cpumask}'
)
# The host, the levels in v1 to v10 and merged as the kernel numbers them (3 error ... 7 debug; - where the line does
# not exist), the text.
lines=(
    'sound 66--------- RMP optimizations enabled on physical address range @1GB alignment [0x0000000000000000 - 0xEND]'
    'sound --66666666- Attempt RMP optimizations on physical address range @1GB alignment [0x0000000000000000 - 0xEND]'
    'sound ----------6 RMPOPT optimizations enabled'
    'sound 66--------- RMPOPT worker thread created with PID 1093'
    'sound 7---------- NUM_TB pages in system 4'
    'sound 7---------- socket start_pfn 0x0, end_pfn 0x18000000, socket cpu mask 0-1'
    'sound 7---------- socket start_pfn 0x18000000, end_pfn 0x30000000, socket cpu mask 2-3'
    # A socket's window has no line; a node's shows the address, without the enable bit.
    'sound ----------- RMPOPT_BASE MSR on nodeid'
    'nodes 7---------- NUM_TB pages in system 7'
    'nodes 7---------- socket start_pfn 0x0, end_pfn 0x30000000, socket cpu mask 0-1'
    'nodes 7---------- RMPOPT_BASE MSR on nodeid 0 cpu mask 0 set to 0x0'
    'nodes 7---------- RMPOPT_BASE MSR on nodeid 1 cpu mask 1 set to 0x18000000000'
    'nodes 7---------- RMPOPT_BASE MSR on nodeid 3 cpu mask 3 set to 0x48000000000'
    'sound ----666666- RMPOPT coverage limited to 2TB; memory above 0x20000000000 not optimized'
    'contiguous 665-------- RMPOPT optimizations not enabled, segmented RMP required'
    'contiguous ----------6 RMPOPT optimizations enabled'
    'no-rmpopt 77--------- RMPOPT not supported on this platform'
    'no-thread 44--------- Unable to start RMPOPT kernel thread'
    'no-configfs 3---------- Error -12 while registering subsystem rmpopt'
    'no-workqueue ----3333333 Failed to allocate RMPOPT workqueue'
    'no-cpumask --------33- Failed to allocate RMPOPT cpumask'
    # v1 returns without a message, before its thread.
    'no-cpumask -6--------- RMPOPT worker thread created with PID 1093'
    'no-pass-cpumask --66666666- Attempt RMP optimizations on physical address range @1GB alignment'
    'no-pass-cpumask ---------4- RMP optimization pass skipped: cpumask allocation failed'
)
plan $((${#lines[@]} + 2 * ${#versions[@]} + 1))

for host in "${!hosts[@]}"; do
    {
        if [ "$host" = nodes ]; then
            printf '%s\n' 'cpus: {packages: 2, nodes_per_socket: 2, cores_per_package: 2, threads_per_core: 1}' \
                'memory:'
            for node in 0 1 2 3; do echo "  - {start: $((1536 * node))G, size: 1536G, node: $node}"; done
        else
            printf '%s\n' 'cpus: {packages: 2, cores_per_package: 2, threads_per_core: 1}' 'memory:' \
                '  - {start: 0, size: 1536G, node: 0}' '  - {start: 1536G, size: 1536G, node: 1}'
        fi
        printf '%s\n' "${hosts[$host]}"
    } >"$work/$host.yaml"
    for version in "${versions[@]}"; do
        mount_host "$host" --pace 0 --series "$version" --machine "$work/$host.yaml"
        cp "$M/debug/rmpopt/log" "$work/$host.$version"
        if [ "$host" = sound ]; then
            cp "$M/debug/rmpopt/passes" "$work/passes.$version"
            # This host has none of the other hosts' errors.
            find "$M/rmpopt" "$M/debug" -type f -name '[adr]*' -printf '%f\n' | sort >"$work/files.$version"
        elif [ "$host" = no-configfs ] && [ "$version" = v1 ]; then
            find "$M/rmpopt" "$M/debug" -type f -name '[adr]*' -printf '%f\n' | sort >"$work/files.no-configfs"
        fi
        unmount_host
    done
done

# levels HOST TEXT: the level of a line in each version, or -.
levels() {
    local version text level
    for version in "${versions[@]}"; do
        text=$2
        case $version in v1) text=${text/0xEND/0x0000030000000000} ;; esac
        text=${text/0xEND/0x0000020000000000}
        level=$(grep -F "] SEV-SNP: $text" "$work/$1.$version" | grep -o '^<[0-7]>' | sort -u | tr -d '<>\n')
        printf '%s' "${level:--}"
    done
}

for line in "${lines[@]}"; do
    read -r host expected text <<<"$line"
    expect "$text" "$expected" "$(levels "$host" "$text")"
done
for version in "${versions[@]}"; do
    # A pass's line has the time at which it began, in us.
    if [ "$version" = merged ]; then
        expect "$version: a pass has no line" '' "$(grep -F ' physical address range @1GB' "$work/sound.$version")"
    else
        expect "$version: each pass and its line at one time" \
            "$(awk 'NR > 1 { printf "%.6f\n", int($3 / 1000) / 1e6 }' "$work/passes.$version")" \
            "$(grep -F ' physical address range @1GB' "$work/sound.$version" | sed 's/^<6>\[ *//; s/\].*//')"
    fi
    # Error messages appear only after errors.
    expect "$version: a sound host has no line about trouble" '' \
        "$(grep -E '^<[0-5]>|Unable|Failed|Error|skipped|required' "$work/sound.$version")"
done
expect "v1 without configfs: no action, no description; the rest is there" \
    "$(grep -v -x -e action -e description "$work/files.v1")" "$(cat "$work/files.no-configfs")"
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the posted code does where the product once had another answer, worked out from some other fact of the version
# and not read: one test for each. Each fails on version 6aaf7a0. Those that a mount cannot show are in
# Tests/RMPModelTests and are named at the end.
# TIMEOUT: 120

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"

plan 26

# The hosts: all of 8 GB and four cores, unless the name says otherwise.
memory='memory: [{start: 0, size: 8G, node: 0}]'
cores='cpus: {packages: 1, cores_per_package: 4, threads_per_core: 1}'
declare -A hosts=(
    [plain]="$cores
$memory"
    [threads]="cpus: {packages: 1, cores_per_package: 4, threads_per_core: 2}
$memory"
    # CPU 1 is offline: the first thread of core 1, whose second is CPU 5.
    [no-primary]="cpus: {packages: 1, cores_per_package: 4, threads_per_core: 2, online: \"0,2-7\"}
$memory"
    # There is no CPU 1.
    [absent-primary]="cpus: {packages: 1, cores_per_package: 4, threads_per_core: 2, present: \"0,2-7\"}
$memory"
    [late]="cpus: {packages: 1, cores_per_package: 4, threads_per_core: 1, online: \"0-2\"}
$memory"
    [no-pass-cpumask]="$cores
$memory
boot: {driver_failure: pass-cpumask}"
    [sockets]="cpus: {packages: 2, cores_per_package: 2, threads_per_core: 1}
memory: [{start: 0, size: 1536G, node: 0}, {start: 1536G, size: 1536G, node: 1}]
boot: {log: raw}"
    [reduced]="$cores
$memory
rmp: {segment_size: 4G, segments: [{index: 0, base: 0x8800000, covers: 8G}, {index: 1, base: 0xa800000, covers: 4G}]}
boot: {log: raw}"
    [small]="$cores
$memory
rmp: {contiguous: {base: 0x10000000, end: 0x11003fff}}"
    [far-segment]="$cores
$memory
rmp: {segment_size: 8G, segments: [{index: 0, base: 0x8800000, covers: 8G}, {index: 8, base: 0xa800000, covers: 8G}]}
processor: {segment_reduction: true, cached_segments: 4}"
    [hole-in-rmp]="$cores
$memory
rmp: {segment_size: 8G, segments: [{index: 0, base: 0x8800000, covers: 4G}, {index: 1, base: 0xa800000, covers: 4G}]}"
    [hole-in-memory]="$cores
memory: [{start: 0, size: 3G, node: 0}, {start: 4G, size: 4G, node: 0}]"
)
for host in "${!hosts[@]}"; do printf '%s\n' "${hosts[$host]}" >"$work/$host.yaml"; done

# posted NAME EXPECTED HOST VERSION COMMANDS [OPTION...]: mounts the host, runs the commands in rmpsim, and compares
# what they print. A refused write prints the error's text.
posted() {
    local name=$1 expected=$2 host=$3 version=$4 commands=$5
    shift 5
    mount_host "$version" --pace 0 --series "$version" --machine "$work/$host.yaml" "$@"
    expect "$version: $name" "$expected" \
        "$(cd "$M/rmpsim" && limit 20 bash -c "$commands" 2>&1 | sed 's/.*write error: //')"
    unmount_host
}

optimized='for cpu in 0 5; do grep -c "GB: optimized" ../debug/rmpopt/cpu$cpu; done'

posted 'hotplug stays forbidden after a legacy shutdown' 'Device or resource busy' plain v8 \
    'echo shutdown >firmware/state; echo 0 >cpus/cpu1/online'

posted 'a core whose primary thread was offline at set-up takes no part' $'7\n0' no-primary v3 "$optimized"
posted 'a core whose primary thread was offline at set-up takes no part' $'6\n0' threads v4 \
    "echo shutdown >firmware/state; echo 0 >cpus/cpu1/online; echo init >firmware/state; echo +20s >clock
    $optimized"

posted 'RMPOPT_BASE is written only through primary threads' 'RMPOPT not enabled on CPU(s) 5' absent-primary v4 \
    'sed -n "s/Memory @  1GB: //p" ../debug/rmpopt/blockers'

for version in v3 v4; do
    posted 'a core that comes late is not interrupted, so nothing is an invalid opcode' \
        'rmpopt_undefined_opcodes_total 0' late "$version" \
        'echo 1 >cpus/cpu3/online; echo 1 >../rmpopt/reenable; echo +20s >clock
        grep ^rmpopt_undefined ../debug/rmpopt/metrics'
done

for version in v4 v5 v7; do
    posted 'SNP_EN is not set before SNP is initialized' 0 plain "$version" 'cat firmware/snp_enabled' --boot kernel
done
posted 'SNP is not initialized while a CPU is offline' $'Operation not supported\nuninit' plain v5 \
    'echo 0 >cpus/cpu1/online; echo init >firmware/state; cat firmware/state' --boot kernel

posted 'an x86 shutdown exists' uninit plain v4 'echo shutdown_x86 >firmware/state; cat firmware/state'

for version in v1 v4; do
    posted 'firmware refuses SNP_INIT_EX where a present CPU does not have SNP enabled' uninit late "$version" \
        'cat firmware/state'
done

posted 'a pass that has no memory for its mask is logged' 1 no-pass-cpumask v6 \
    'echo +20s >clock; grep -c "Attempt RMP optimizations" ../debug/rmpopt/log'
posted 'a pass that has no memory for its mask is logged, and then the warning' $'1\n1' no-pass-cpumask v10 \
    'echo +20s >clock; for line in "Attempt RMP optimizations" "cpumask allocation failed"; do
        grep -c "$line" ../debug/rmpopt/log; done'

for version in v5 v8; do
    posted 'a table that is removed while it is open is EIO' 'Input/output error' plain "$version" \
        'exec 5<../debug/x86/rmpopt/rmpopt-table; head -c 10 <&5 >/dev/null; echo shutdown_x86 >firmware/state
        cat <&5 2>&1 >/dev/null | sed "s/.*: //"'
done

posted 'windows of sockets have no line about RMPOPT_BASE' 0 sockets v1 'grep -c nodeid ../debug/rmpopt/log'
posted 'the range of the segmented RMP ends at its base + 0x5000' '[0x0000000008700000 - 0x0000000008705000]' \
    plain v10 \
    'sed -n "s/.*Segmented RMP base table physical range //p" ../debug/rmpopt/log'
posted 'a reduced segment is information' '<6>' reduced v10 'sed -n "s/\(<.>\).*reduced to.*/\1/p" ../debug/rmpopt/log'
posted 'the range of a contiguous RMP comes before its error' \
    $'RMP table physical range\nMemory reserved for the RMP table does not cover full system RAM' \
    small v10 'sed "s/.*SEV-SNP: //; s/ [[(].*//" ../debug/rmpopt/log'
posted 'segments beyond the number of segments are not looked at' $'0\n1' far-segment v10 \
    'grep -c exceeds ../debug/rmpopt/log; cat firmware/snp_enabled'
posted 'segments beyond the end of memory cover nothing of it' '(expected 0x200000000 got 0x100000000)' \
    hole-in-rmp v10 'sed -n "s/.*does not cover full system RAM //p" ../debug/rmpopt/log'

posted 'leaked pages are followed by the RMP entry' 'PFN 0x2000, RMP entry: [0x0000000000000001 - 0x0000000000000000]' \
    plain v10 'echo 0x2000000 >memory/leak; sed -n "\$s/.*SEV-SNP: //p" ../debug/rmpopt/log'
posted 'a second set-up makes the folder in debugfs again' "debugfs: 'rmpopt' already exists in 'x86'" plain v4 \
    'echo shutdown >firmware/state; echo init >firmware/state; sed -n "s/.*\(debugfs:\)/\1/p" ../debug/rmpopt/log'

posted 'a hole in memory is HV-fixed' 'Operation not permitted' hole-in-memory v10 \
    'echo "0xc0000000 assigned=1" >memory/rmpupdate'

# A mount cannot show these, which Tests/RMPModelTests has: that v3 writes RMPOPT_BASE before its workqueue fails
# (LogTests.swift), reclaimed pages and pages back from the IOMMU (PageStateTests.swift), the results of PSMASH and
# RMPREAD (PSMASHTests.swift, RMPREADTests.swift), and that RMPOPT_EN cannot be cleared (RegisterTests.swift).
finish

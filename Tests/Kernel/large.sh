#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The module on a machine whose memory reaches beyond a core's window of 2 TB, and whose cores have two threads each: a
# table of many pages, which regions are asked for, and who takes part in a pass.

# shellcheck source=Tests/Kernel/lib.bash
. "$(dirname "$0")/lib.bash"
plan 19

cp "$KERNEL_MODULES"/rmpopt.ko "$KERNEL_MODULES"/rmpopt_emulator.ko "$guest/lib/"
cat >"$guest/test" <<'END_OF_GUEST'
. /lib/guest.sh
sum() { table | md5sum; }
table() { cat "$debug/rmpopt-table"; }
parameter() { cat "$emulator/$1"; }
# regions LIST: those that are optimized on these CPUs, as a range.
regions() {
    table | sed -n "s/^Memory @ *\([0-9]*\)GB: CPU(s): $1\$/\1/p" |
        awk 'NR == 1 { first = $1 } { last = $1 } END { print first + 0 "-" last + 0, NR }'
}
# The table after a pass: all CPUs have the bits of regions 5 and 12 to 63.
expected() {
    awk 'BEGIN { for (region = 0; region <= 3073; region++) {
        list = "none"
        if (region == 5 || (region > 11 && region < 64)) list = "0-3"
        printf "Memory @%3dGB: CPU(s): %s\n", region, list } }'
}

load assigned=$((0xfff & ~0x20))
same 'a line for each region, and the end' 3074 "$(table | wc -l)"
looks=$(parameter looks) executed=$(parameter executed)
table >/dev/null
same 'which take many reads, but one call for each CPU' 4 $(($(parameter looks) - looks))
same 'with one RMPOPT for each region of its window' 8192 $(($(parameter executed) - executed))
echo 1 >"$config/reenable"
check 'a pass ends' idle
expected >/tmp/expected
table >/tmp/table
check 'the table, to the byte' cmp /tmp/expected /tmp/table
same 'the same in small reads' "$(sum)" "$(dd if="$debug/rmpopt-table" bs=37 2>/dev/null | md5sum)"
same 'and in large ones' "$(sum)" "$(dd if="$debug/rmpopt-table" bs=1M 2>/dev/null | md5sum)"
same 'from any place on' "$(table | tail -c +70001 | md5sum)" \
    "$(dd if="$debug/rmpopt-table" bs=1000 skip=70 2>/dev/null | md5sum)"
same 'regions beyond the window are outside' '53 0 1995 1025' \
    "$(column won) $(column kept) $(column blocked) $(column outside)"
same 'nothing was executed that must not be' 0 "$(parameter wrong)"
# What a pass costs, by the number of cores as the kernel sees them: 2, or 4 before Linux 6.9.
cores=$(sort -u /sys/devices/system/cpu/cpu*/topology/thread_siblings_list | wc -l)
echo "$cores" >/out/cores
same 'one thread of each core takes part' "$((2048 * cores))" "$(column executions)"
same 'the others are not interrupted' "$((193 * (cores - 1)))" "$(column interrupts)"
same 'of each region all reports come with the verification' "$((2048 * cores)) 0" \
    "$(awk 'NR > 1 { verified += $5; faults += $7 } END { print verified, faults }' "$debug/cpus")"

echo 0xffffffffffffffff >"$emulator/clear"
echo 0 >"$emulator/assigned"
echo 3010 >"$emulator/base"
echo 1 >"$config/reenable"
idle
same 'a window above 2 TB' '3010-3072 63' "$(regions 0-3)"
same 'with what is below it outside' 3010 "$(column outside)"
echo 0 >/sys/devices/system/cpu/cpu2/online
echo 0xffffffffffffffff >"$emulator/clear"
echo 1 >"$config/reenable"
idle
same 'a core whose first thread is offline takes part with the other one' '3010-3072 63' "$(regions 0-1,3)"
same 'nothing was executed that must not be, here either' 0 "$(parameter wrong)"
check 'it is unloaded' unload
END_OF_GUEST
# A module of 128 MB at 3 TB; its last region is 3072, and 3073 the end.
boot 110 -smp 4,sockets=1,cores=2,threads=2 -cpu max,vendor=AuthenticAMD,phys-bits=46 -m 1024,slots=1,maxmem=4T \
    -object memory-backend-ram,id=high,size=128M -device pc-dimm,id=dimm,memdev=high,addr=0x30000000000
results
check 'the kernel has complained of nothing' no_splat
finish

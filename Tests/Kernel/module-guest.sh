# SPDX-License-Identifier: Apache-2.0
# What Tests/Kernel/module.sh runs in its guest, which has two CPUs and 3 GB.
# shellcheck shell=sh

# shellcheck source=Tests/Kernel/guest.sh
. /lib/guest.sh

table() { cat "$debug/rmpopt-table"; }
# lists LIST LIST LIST: a table with these lists for the regions, and the line of the end.
lists() { printf 'Memory @  %dGB: CPU(s): %s\n' 0 "$1" 1 "$2" 2 "$3" 3 none; }
pass() { echo 1 >"$config/reenable" && idle; }
parameter() { cat "$emulator/$1"; }
module_state() { awk '$1 == "rmpopt" { print $3 }' /proc/modules; }

# --- Loading ---

same 'without the feature it is not loaded: ENODEV' 1 \
    "$(insmod /lib/rmpopt.ko 2>&1 | grep -c 'No such device'; lsmod | grep rmpopt)"
said() { dmesg | grep -q "rmpopt: $1"; }
check 'a line says why' said 'this processor has no RMPOPT: CPUID Fn8000_0025 EDX\[0\] is not set'
check 'and nothing is left of it' eval '[ ! -e $debug ] && [ ! -e $config ]'

check 'with the feature it is loaded, SNP off' load snp=0
check 'a line says that RMPOPT is enabled nowhere' said 'RMPOPT is enabled on 0 of 2 CPUs'
same 'with SNP off the table is empty' "$(lists none none none)" "$(table)"
same 'a pass is refused' 'No such device' "$(store "$config/reenable" '1\n')"
same 'a wrong value is refused as such' 'Invalid argument' "$(store "$config/reenable" '2\n')"
same 'nothing was executed' '0 0' "$(parameter executed) $(parameter wrong)"
check 'it is unloaded' unload
check 'and leaves nothing' eval '[ ! -e $debug ] && [ ! -e $config ]'

# --- Table and passes ---

load assigned=1
check 'a line counts the CPUs' said 'RMPOPT is enabled on 2 of 2 CPUs'
same 'before a pass nothing is optimized' "$(lists none none none)" "$(table)"
same 'for which each CPU executes one RMPOPT a region' 6 "$(parameter executed)"
check 'a pass' pass
same 'after it all that can be is optimized' "$(lists none 0-1 0-1)" "$(table)"
same 'its columns: won, kept, blocked, outside' '2 0 1 0' \
    "$(column won) $(column kept) $(column blocked) $(column outside)"
same 'executions: one a region and core, some in vain' '6 2' "$(column executions) $(column in_vain)"
same 'calls to the other core' '1 1' "$(column broadcasts) $(column interrupts)"
check 'times: a start, an end, the leader, interrupts off' eval '[ "$(column end_ns)" -gt "$(column start_ns)" ] &&
    [ "$(column leader_ns)" -gt 0 ] && [ "$(column interrupts_off_ns)" -gt 0 ] &&
    [ "$(column stolen_ns)" -ge "$(column interrupts_off_ns)" ] &&
    [ $(($(column end_ns) - $(column start_ns))) = $(($(column leader_ns) + $(column follower_ns))) ]'
check 'the longest stretch is that of one of the CPUs' \
    eval 'awk -v longest="$(column interrupts_off_ns)" "\$2 == longest { found = 1 } END { exit !found }" "$debug/cpus"'
echo 6 >"$emulator/clear"
same 'after RMPUPDATE the regions are gone' "$(lists none none none)" "$(table)"
echo 1 >/sys/module/rmpopt/parameters/batch
pass
same 'one region a call: a call for each' '3 3' "$(column broadcasts) $(column interrupts)"
pass
same 'another pass keeps what there is' '0 2 1 0' \
    "$(column won) $(column kept) $(column blocked) $(column outside)"
echo 0 >/sys/module/rmpopt/parameters/batch
pass
same 'all regions in one call' 1 "$(column broadcasts)"
echo 1 >"$emulator/base"
same 'regions below the window are not asked for' "$(lists none none 0-1)" "$(table)"
echo 0 >"$emulator/base"
same 'reenable reads 0' 0 "$(cat "$config/reenable")"
echo 200000 >"$emulator/slow_us"
echo 1 >"$config/reenable"
same 'during a pass 1' 1 "$(cat "$config/reenable")"
same 'a second request is absorbed' 0 "$(store "$config/reenable" '1\n')"
check 'the pass ends' idle
same 'and was one' 5 "$(column pass)"
echo 0 >"$emulator/slow_us"

# --- Conditions on a core ---

echo 1 >"$emulator/disabled_cpu"
same 'a core without RMPOPT_EN says nothing' "$(lists none 0 0)" "$(table)"
pass
same 'and takes no part in a pass' '3 0' "$(column executions) $(parameter wrong)"
echo -1 >"$emulator/disabled_cpu"
faults() { awk '{ sum += $7 } END { print sum + 0 }' "$debug/cpus"; }
before=$(faults)
echo 1 >"$emulator/undefined"
same 'an RMPOPT that faults counts for nothing' "$(lists none none none)" "$(table)"
pass
same 'in a pass neither' 0 "$(column executions)"
check 'the faults are counted' test "$(faults)" -ge $((before + 4))
echo 0 >"$emulator/undefined"

# --- kselftests ---

RMPOPT_MEMORY=3 sh /kselftest/run_all.sh >/out/kselftest 2>&1
same 'the kselftests pass' 0 "$?"
same 'of each group but hotplug, which this kernel allows' 'files table action' \
    "$(sed -n 's/^ok [0-9]* \(rmpopt_\)*\([a-z]*\)\(\.sh\)*$/\2/p' /out/kselftest | paste -sd ' ' -)"

# --- Under load ---

times=50000 rounds=30
if [ -n "$quick" ]; then times=2500 rounds=5; fi
used() { awk '/^(SUnreclaim|VmallocUsed|Percpu|KernelStack):/ { sum += $2 } END { print sum }' /proc/meminfo; }
reader "$debug/rmpopt-table" 500 2 4
pass
memory=$(used)
while :; do
    echo 1 >"$config/reenable"
    usleep 20000
done &
requests=$!
(
    for _ in $(seq "$rounds"); do
        echo 0 >/sys/devices/system/cpu/cpu1/online
        usleep 100000
        echo 1 >/sys/devices/system/cpu/cpu1/online
        # SNP goes and comes, also within a pass.
        echo 0 >"$emulator/snp"
        usleep 20000
        echo 1 >"$emulator/snp"
        usleep 100000
    done
) &
others=$!
check "$((times * 2)) readings, with passes, hotplug and SNP that comes and goes" \
    reader "$debug/rmpopt-table" "$times" 2 4
wait "$others"
kill "$requests"
wait "$requests"
idle
same 'both CPUs are back in the table' "$(lists none 0-1 0-1)" "$(pass && table)"
same 'nothing was executed that must not be' 0 "$(parameter wrong)"
no_leak() {
    now=$(used)
    echo "$memory KB, then $now KB"
    test $((now - memory)) -lt 4096
}
check 'no memory has leaked' no_leak

# --- Unloading ---

same 'nobody uses it' 0 "$(module_state)"
exec 3<"$debug/rmpopt-table"
check 'while a table is open it is not unloaded' eval '! rmmod rmpopt'
exec 3<&-
echo 100000 >"$emulator/slow_us"
echo 1 >"$config/reenable"
check 'in the middle of a pass it is' rmmod rmpopt
echo 0 >"$emulator/slow_us"
(while :; do cat /sys/kernel/debug/rmpopt/* /sys/kernel/config/rmpopt/reenable; done) >/dev/null 2>&1 &
readers=$!
loads() {
    for _ in $(seq "$rounds"); do
        insmod /lib/rmpopt.ko || return
        echo 1 >"$config/reenable"
        within 20 rmmod rmpopt || return
    done 2>/dev/null
}
check 'loaded and unloaded again and again, with readers and passes' loads
kill "$readers"
wait "$readers"
check 'the emulator goes, too' rmmod rmpopt_emulator

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
gone() { [ ! -e "$debug" ] && [ ! -e "$config" ]; }
check 'and nothing is left of it' gone
insmod /lib/rmpopt_emulator.ko
refused() { ! insmod /lib/rmpopt.ko 2>/tmp/said && grep -q "$1" /tmp/said; }
echo 4 >"$emulator/features"
check 'nor with another feature of that leaf' refused 'No such device'
echo 1 >"$emulator/features"
echo $((0x80000024)) >"$emulator/max_leaf"
check 'nor where CPUID does not reach so far' refused 'No such device'
echo $((0x80000025)) >"$emulator/max_leaf"
echo 0 >"$emulator/vendor"
check 'nor on a processor of another maker' refused 'No such device'
echo 2 >"$emulator/vendor"
for place in x86 debugfs configfs; do
    echo "$place" >"$emulator/kernels"
    check "a folder of the kernel's in $place: it is not loaded, EEXIST" refused 'File exists'
done
# A module that fails to load is freed even while one of its files is open.
(while :; do (exec 3<"$debug/rmpopt-table" && usleep 500000); done) 2>/dev/null &
openers=$!
echo 300000 >"$emulator/slow_us"
check 'nor while somebody tries to open its files' refused 'File exists'
echo 0 >"$emulator/slow_us"
usleep 600000
kill "$openers"
wait "$openers"
echo none >"$emulator/kernels"
check 'lines say why' eval 'said "this kernel has a table of its own in debugfs, at x86/rmpopt" &&
    said "debugfs has refused the folder rmpopt: error -17" && said "configfs has refused the folder rmpopt: error -17"'
check 'and nothing is left of these, either' gone
rmmod rmpopt_emulator

check 'with the feature it is loaded, SNP off' load snp=0
check 'a line says that RMPOPT is enabled nowhere' said 'RMPOPT is enabled on 0 of 2 CPUs'
same 'with SNP off the table is empty' "$(lists none none none)" "$(table)"
same 'a pass is refused' 'No such device' "$(store "$config/reenable" '1\n')"
same 'a wrong value is refused as such' 'Invalid argument' "$(store "$config/reenable" '2\n')"
same 'nothing was executed' '0 0' "$(parameter executed) $(parameter wrong)"
check 'it is unloaded' unload
check 'and leaves nothing' gone

# --- Table and passes ---

load assigned=1
same 'modes of the files' '444 444 444 444 644 644 444' "$(stat -c %a "$debug"/rmpopt-table "$debug"/passes \
    "$debug/totals" "$debug/cpus" "$config/reenable" "$config/action" "$config/description" | paste -sd ' ' -)"
check 'a line counts the CPUs' said 'RMPOPT is enabled on 2 of 2 CPUs'
same 'before a pass nothing is optimized' "$(lists none none none)" "$(table)"
same 'for which each CPU executes one RMPOPT a region' 6 "$(parameter executed)"
looks=$(parameter looks)
table >/dev/null
same 'in one call' 2 $(($(parameter looks) - looks))
executed=$(parameter executed)
uptime() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
started=$(uptime)
check 'a pass' pass
executed=$(($(parameter executed) - executed))
ended=$(uptime)
same 'after it all that can be is optimized' "$(lists none 0-1 0-1)" "$(table)"
same 'its columns: won, kept, blocked, outside' '2 0 1 0' \
    "$(column won) $(column kept) $(column blocked) $(column outside)"
same 'executions: one a region and core, some in vain' '6 2' "$(column executions) $(column in_vain)"
same 'calls to the other core' '1 1' "$(column broadcasts) $(column interrupts)"
same 'before each verification a report' 12 "$executed"
# total COLUMN: of debugfs' cpus.
total() { awk -v column="$1" 'NR > 1 { sum += $column } END { print sum + 0 }' "$debug/cpus"; }
same 'which cpus tells apart' "6 $(($(parameter executed) - 6)) 0" "$(total 5) $(total 6) $(total 7)"
check 'and the longest reading of each CPU' eval '! awk "NR > 1 && \$4 == 0" "$debug/cpus" | grep .'
check 'times: a start, an end, the leader, interrupts off' eval '[ "$(column end_ns)" -gt "$(column start_ns)" ] &&
    [ "$(column leader_ns)" -gt 0 ] && [ "$(column interrupts_off_ns)" -gt 0 ] &&
    [ "$(column stolen_ns)" -ge "$(column interrupts_off_ns)" ] &&
    [ $(($(column end_ns) - $(column start_ns))) = $(($(column leader_ns) + $(column follower_ns))) ] &&
    [ "$(column stolen_ns)" -le "$(($(column interrupts_off_ns) + $(column leader_ns)))" ] &&
    [ "$(column stolen_ns)" -gt "$(column interrupts_off_ns)" ]'
since_boot() {
    echo "$started ms, $(column start_ns) and $(column end_ns) ns, $ended ms"
    [ $(($(column start_ns) / 1000000 + 10)) -ge "$started" ] && [ $(($(column end_ns) / 1000000)) -le $((ended + 10)) ]
}
check 'they are times since boot' since_boot
check 'the longest stretch is that of one of the CPUs' \
    eval 'awk -v longest="$(column interrupts_off_ns)" "\$2 == longest { found = 1 } END { exit !found }" "$debug/cpus"'
same 'an open file shows one moment, and after a rewind another one' \
    "$(lists none 0-1 0-1; lists none none none)" "$(rewind "$debug/rmpopt-table" "echo 6 >$emulator/clear")"
same 'after RMPUPDATE the regions are gone' "$(lists none none none)" "$(table)"
echo 1 >/sys/module/rmpopt/parameters/batch
# The first of three calls is the longest one.
echo 20000 >"$emulator/slow_us"
echo 0 >"$emulator/slow_region"
pass
same 'one region a call: a call for each' '3 3' "$(column broadcasts) $(column interrupts)"
follower=$(awk 'NR > 1 && $3 >= 20000000 { print $2, $3 }' "$debug/cpus")
same 'the longest of which counts' "$(column interrupts_off_ns) $(column interrupts_off_ns)" "$follower"
echo 0 >"$emulator/slow_us"
echo -1 >"$emulator/slow_region"
pass
same 'another pass keeps what there is' '0 2 1 0' \
    "$(column won) $(column kept) $(column blocked) $(column outside)"
echo 0 >/sys/module/rmpopt/parameters/batch
pass
same 'all regions in one call' 1 "$(column broadcasts)"
longest=$(awk 'NR > 1 { if ($3 > longest) longest = $3 } END { print longest }' "$debug/cpus")
same 'the longest stretch in any pass is still known' "${follower#* }" "$longest"
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
# What totals must have, from passes: none of the five has been dropped there.
added_up() {
    awk 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        {
            time = $at["end_ns"] - $at["start_ns"]; all += time; passes++
            broadcasts += $at["broadcasts"]; interrupts += $at["interrupts"]
            if ($at["interrupts_off_ns"] > off) off = $at["interrupts_off_ns"]
            executions += $at["executions"]; vain += $at["in_vain"]; stolen += $at["stolen_ns"]
            for (i = 1; i <= limits; i++) if (time <= limit[i] * 1000000) up_to[i]++
        }
        BEGIN { limits = split("1 5 10 50 100 250 500 1000 2500 5000 10000 30000", limit) }
        END {
            printf "begun %d\npasses %d\ntime_ns %.0f\n", passes, passes, all
            printf "broadcasts %d\ninterrupts %d\n", broadcasts, interrupts
            printf "interrupts_off_ns %.0f\nexecutions %d\nin_vain %d\n", off, executions, vain
            printf "stolen_ns %.0f\n", stolen
            for (i = 1; i <= limits; i++) printf "up_to_%dms %d\n", limit[i], up_to[i]
        }' "$debug/passes"
}
same 'totals adds up what passes has' "$(added_up)" "$(cat "$debug/totals")"
check 'of which some were quick and one was not' eval 'grep -q "^up_to_500ms [1-4]$" "$debug/totals"'
echo 300000 >"$emulator/slow_us"
echo 1 >"$config/reenable"
usleep 100000
echo 2 >"$emulator/base"
idle
same 'who moves the window in a pass does not lead it out of it' 0 "$(parameter wrong)"
echo 0 >"$emulator/base"
echo 0 >"$emulator/slow_us"
for _ in $(seq 60); do pass; done
same 'the last 64 passes are kept' '64 3 66' \
    "$(awk 'NR == 2 { first = $1 } END { print NR - 1, first, $1 }' "$debug/passes")"

# --- Conditions on a core ---

echo 1 >"$emulator/disabled_cpu"
same 'a core without RMPOPT_EN says nothing' "$(lists none 0 0)" "$(table)"
pass
same 'and takes no part in a pass' '3 0' "$(column executions) $(parameter wrong)"
echo -1 >"$emulator/disabled_cpu"
echo 1 >"$emulator/snpless_cpu"
same 'nor does one without SNP_EN' "$(lists none 0 0)" "$(table)"
pass
same 'or take part' '3 0' "$(column executions) $(parameter wrong)"
echo -1 >"$emulator/snpless_cpu"
executed=$(parameter executed)
echo 0 >"$emulator/snp"
same 'when SNP is off nothing is said' "$(lists none none none)" "$(table)"
same 'or asked for' 'No such device' "$(store "$config/action" '1\n')"
same 'or executed' "$executed" "$(parameter executed)"
echo 1 >"$emulator/snp"
same 'a CPU that goes offline is gone from the table' "$(lists none 0-1 0-1; lists none 0 0)" \
    "$(rewind "$debug/rmpopt-table" 'echo 0 >/sys/devices/system/cpu/cpu1/online')"
pass
same 'and from passes' '3 0' "$(column executions) $(column interrupts)"
echo 1 >/sys/devices/system/cpu/cpu1/online
faults() { awk '{ sum += $7 } END { print sum + 0 }' "$debug/cpus"; }
before=$(faults)
echo 1 >"$emulator/undefined"
same 'an RMPOPT that faults counts for nothing' "$(lists none none none)" "$(table)"
pass
same 'in a pass neither' 0 "$(column executions)"
same 'of a CPU that has faulted no more is asked; faults are counted' $((before + 4)) "$(faults)"
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
# objects [CACHE]: those that the slab caches hold. Those in a CPU's own slab would count whether they are free or not.
objects() {
    for objects_file in /sys/kernel/slab/"${1:-kmalloc}"*/shrink; do echo 1 >"$objects_file"; done
    awk -v name="^${1:-kmalloc}" '$1 ~ name { sum += $2 } END { print sum }' /proc/slabinfo
}
few_since() {
    echo "$1 objects, then $(objects)"
    test $(($(objects) - $1)) -lt 1500
}
# Freeing may be put off by some seconds; and some hundreds come and go by themselves.
leaves_nothing() {
    leaves_before=$(objects)
    "$@"
    within 15 few_since "$leaves_before"
}
passes() {
    passes_end=$(($(column pass) + 3000))
    while [ "$(column pass)" -lt "$passes_end" ]; do
        for _ in $(seq 200); do echo 1 >"$config/reenable"; done
    done
    idle
}
check '3000 readings leave no object' leaves_nothing reader "$debug/rmpopt-table" 3000 1 4
check 'and 3000 passes none' leaves_nothing passes

# --- Unloading ---

same 'nobody uses it' 0 "$(module_state)"
exec 3<"$debug/rmpopt-table"
check 'while a table is open it is not unloaded' eval '! rmmod rmpopt'
exec 3<&-
echo 400000 >"$emulator/slow_us"
executed=$(parameter executed)
echo 1 >"$config/reenable"
check 'in the middle of a pass it is' rmmod rmpopt
check 'which then ends before its last region' test $(($(parameter executed) - executed)) -lt 12
echo 0 >"$emulator/slow_us"
queues=$(objects pool_workqueue)
(while :; do cat /sys/kernel/debug/rmpopt/* /sys/kernel/config/rmpopt/reenable; done) >/dev/null 2>&1 &
readers=$!
loads() {
    for _ in $(seq 30); do
        insmod /lib/rmpopt.ko || return
        echo 1 >"$config/reenable"
        within 20 rmmod rmpopt || return
    done 2>/dev/null
}
check 'loaded and unloaded again and again, with readers and passes' loads
kill "$readers"
wait "$readers"
no_queue() {
    echo "$queues pool_workqueues, then $(objects pool_workqueue)"
    test $(($(objects pool_workqueue) - queues)) -lt 20
}
check 'no workqueue is left' within 20 no_queue
check 'the emulator goes, too' rmmod rmpopt_emulator
found_leaks() {
    [ ! -e /sys/kernel/debug/kmemleak ] || {
        # Young objects are not reported before the second scan.
        for _ in 1 2; do echo scan >/sys/kernel/debug/kmemleak && sleep 6; done
        cat /sys/kernel/debug/kmemleak
    }
}
same 'kmemleak, where the kernel has it, finds nothing' '' "$(found_leaks)"

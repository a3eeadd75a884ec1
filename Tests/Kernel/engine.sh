#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rmpfs on a real kernel with the module: --engine kernel finds its files and serves them, doctor and status know them.
# TIMEOUT: 400

# shellcheck source=Tests/Kernel/lib.bash
. "$(dirname "$0")/lib.bash"
plan 20

cp "$KERNEL_MODULES"/rmpopt.ko "$KERNEL_MODULES"/rmpopt_emulator.ko "$guest/lib/"
add_module fuse
add_program "$RMPFS"
cat >"$guest/test" <<'END'
. /lib/guest.sh
mount=/tmp/host
mkdir "$mount"
load assigned=1
echo 1 >"$config/reenable"
idle

rmpfs doctor --json "$mount" >/out/doctor.json 2>&1
check 'doctor knows the module' grep -q 'rmpopt-table is there: the module rmpopt' /out/doctor.json
check 'it is mounted' rmpfs mount --engine kernel "$mount"
for file in debug/rmpopt/rmpopt-table debug/rmpopt/passes; do
    check "$file is the module's" cmp "/sys/kernel/$file" "$mount/$file"
done
for file in rmpopt/action rmpopt/description rmpopt/reenable; do
    check "$file is the module's" cmp "/sys/kernel/config/$file" "$mount/$file"
done
same 'cpu1' 'Memory @  0GB: checked Memory @  1GB: optimized Memory @  2GB: optimized' \
    "$(paste -sd ' ' "$mount/debug/rmpopt/cpu1")"
same 'blockers' 'Memory @  0GB: reason unknown, not optimized on CPU(s) 0-1' "$(cat "$mount/debug/rmpopt/blockers")"
check 'metrics' grep -qx 'rmpopt_regions_optimized{cpus="all"} 2' "$mount/debug/rmpopt/metrics"
rmpfs status "$mount" >/out/status 2>&1
check 'status counts regions' grep -q 'not optimized  *1 region' /out/status
check 'and shows the last pass' grep -q 'last pass  *#1 (request) ended' /out/status
same 'without --allow-reenable nothing can be asked for' 'Permission denied' \
    "$(store "$mount/rmpopt/reenable" '1\n')"
check 'it is unmounted' rmpfs unmount "$mount"

rmpfs mount --engine kernel --allow-reenable "$mount"
echo 6 >"$emulator/clear"
same 'a request through the mount' 0 "$(store "$mount/rmpopt/reenable" '1\n')"
idle
check 'runs a pass of the module' cmp /sys/kernel/debug/rmpopt/passes "$mount/debug/rmpopt/passes"
same 'the second one' 2 "$(column pass)"
check 'metrics have both' grep -qx 'rmpopt_pass_duration_seconds_count 2' "$mount/debug/rmpopt/metrics"
rmmod rmpopt
check 'with the module gone it is an error' eval '! cat "$mount/debug/rmpopt/passes"'
rmpfs unmount "$mount"
END
boot 350 -m 3072
results
check 'the kernel has complained of nothing' no_splat
finish

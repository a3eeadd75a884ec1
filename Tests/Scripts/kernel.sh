#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kernel engine over the files of a simulated mount, as if they were a running kernel's: the same bytes, in every
# version of the series that the simulated machine supports; and clear errors for impossible files.
# TIMEOUT: 300

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 setpriv
root=yes
[ "$(id -u)" = 0 ] || root=

# The versions that the simulated machine supports, if they have a table.
versions=(v1) series=
if "$RMPFS" mount --help | grep -q -- '--series'; then
    series=yes
    versions=(v1 v2 v3 v4 v5 v6 v7 v8)
fi
plan $((${#versions[@]} * 14 + 73))

mkdir "$work/cpu"
echo 0-15 >"$work/cpu/online"
echo 0-15 >"$work/cpu/possible"

# over SIMULATED [OPTION...]: mounts the kernel engine over a simulated mount at $work/kernel; sets K to it.
over() {
    local roots=(--config-root "$1" --debug-root "$1/debug" --cpu-root "$work/cpu")
    shift
    mount_host kernel --engine kernel "${roots[@]}" "$@"
    K=$M
}
table() { (cd "$1/debug" && find . -name rmpopt-table); }
same() { cmp "$S/$1" "$K/$1"; }
same_table() { same "debug/$(table "$S")"; }
same_cpus() {
    local file
    for file in "$S"/debug/rmpopt/cpu*; do same "debug/rmpopt/${file##*/}" || return; done
}
# With reads of each size: pages are made as they are needed.
same_in_small_reads() {
    local size
    for size in 1 100 512 4096 65536; do
        cmp <(dd "if=$S/debug/$(table "$S")" "bs=$size" status=none) \
            <(dd "if=$K/debug/$(table "$K")" "bs=$size" status=none) || return
    done
}
modes() { (cd "$1" && stat -c '%n %a %s' debug "debug/$(table .)" debug/rmpopt/cpu0); }

# --- The CPUs of a mount ---

mount_host cpus --pace 0 --series v8 --cpus 64 --memory 2G
S=$M own="--cpu-root is the folder with online and possible of the host whose files are shown; a mount of rmpfs has it"
mkdir "$work/few" "$work/relative"
echo 0-1 | tee "$work/few/online" >"$work/few/possible"
roots=(--engine kernel --config-root "$S" --debug-root "$S/debug")
refused 'another host'\''s CPUs: the message names list and option' 1 \
    "CPU 2 is not online, says $work/few/online\\. $own" \
    "$RMPFS" mount "${roots[@]}" --cpu-root "$work/few" "$work/relative"
refused 'no such folder: so does this one' 1 "^rmpfs: $work/none/possible: No such file or directory\\. $own" \
    "$RMPFS" mount "${roots[@]}" --cpu-root "$work/none" "$work/relative"
expect 'the lists of a mount' '0-63 0-63' "$(paste -d ' ' "$S/rmpsim/cpus/online" "$S/rmpsim/cpus/possible")"
(cd "$S" && limit 20 "$RMPFS" mount --engine kernel --config-root . --debug-root debug --cpu-root rmpsim/cpus \
    "$work/relative") >"$work/.said" 2>&1
expect_file 'relative roots that are a mount'\''s' "$S/debug/rmpopt/cpu63" cat "$work/relative/debug/rmpopt/cpu63"
unmount_host "$work/relative"
unmount_host "$S"
mount_host cpus --pace 0 --series v5 --cpus 8 --memory 2G
echo shutdown_x86 >"$M/rmpsim/firmware/state"
for cpu in 3 5 6; do echo 0 >"$M/rmpsim/cpus/cpu$cpu/online"; done
expect 'offline CPUs are in the one and not in the other' '0-2,4,7 0-7' \
    "$(paste -d ' ' "$M/rmpsim/cpus/online" "$M/rmpsim/cpus/possible")"
unmount_host

for version in "${versions[@]}"; do
    mount_host "simulated-$version" --pace 0 ${series:+--series "$version"}
    S=$M G=$M/rmpsim/guests
    over "$S"
    check "$version: the table is the same" same_table
    check "$version: in reads of any size" same_in_small_reads
    check "$version: each cpuN is the same" same_cpus
    expect "$version: the same names" "$(table "$S")" "$(table "$K")"
    expect "$version: the same modes" "$(modes "$S")" "$(modes "$K")"
    check "$version: no rmpsim/" test ! -e "$K/rmpsim"
    mkdir "$G/vm0" && echo 20G >"$G/vm0/memory" && echo running >"$G/vm0/state"
    check "$version: the same after a launch" same_table
    check "$version: the same in cpuN" same_cpus
    expect "$version: metrics show it" 'rmpopt_regions_optimized{cpus="none"} 21' \
        "$(grep '^[^#].*none' "$K/debug/rmpopt/metrics")"
    expect "$version: blockers too" 'Memory @ 20GB: reason unknown, not optimized on CPU(s) 0-15' \
        "$(tail -n 1 "$K/debug/rmpopt/blockers")"
    check "$version: status reads both" eval 'limit 60 "$RMPFS" status "$K" | grep -q "not optimized  *21 regions"'
    echo stopped >"$G/vm0/state" && echo +1min >"$S/rmpsim/clock"
    echo 1 >"$S/rmpopt/reenable" && echo +700us >"$S/rmpsim/clock"
    check "$version: the same in the middle of a pass" same_table
    echo +1min >"$S/rmpsim/clock"
    check "$version: the same after it" same_table
    unmount_host "$K" && unmount_host "$S"
    check "$version: nothing is left" nothing_left "$work"
done

# A table that ends exactly at the end of a buffer, so that a reader misses the end line.
for memory in 99G 102G 103G 104G 105G 106G; do
    mount_host edge --memory "$memory" --cpus 2
    S=$M
    echo 0-1 >"$work/cpu/online"
    over "$S"
    check "$memory: the same, wherever the end line falls" same_in_small_reads
    unmount_host "$K"
    unmount_host "$S"
done
echo 0-15 >"$work/cpu/online"

# --- Requests, and read permissions ---

mount_host simulated --pace 0
S=$M
over "$S"
expect 'reenable reads as the kernel says' 0 "$(cat "$K/rmpopt/reenable")"
expect 'action, too' 'RMP optimization in progress: No' "$(cat "$K/rmpopt/action")"
check 'description is the same' same rmpopt/description
expect 'the files are only read' '444 444' "$(stat -c %a "$K/rmpopt/reenable" "$K/rmpopt/action" | paste -sd ' ')"
expect 'and cannot be opened for writing' EACCES "$(call write "$K/rmpopt/reenable" 1)"
echo 1 >"$S/rmpopt/action"
expect 'a requested pass is visible' '1 1' \
    "$(cat "$K/rmpopt/reenable") $(sed -n 's/^rmpopt_pass_running //p' "$K/debug/rmpopt/metrics")"
echo +1min >"$S/rmpsim/clock"
if command -v promtool >/dev/null; then
    check 'promtool accepts metrics' eval 'promtool check metrics <"$K/debug/rmpopt/metrics"'
else
    skip 'promtool accepts metrics' 'promtool is not installed'
fi
expect 'all metrics' '64 62 0 2 16 992' "$(awk '/^rmpopt_regions / { regions = $2 } /"all"/ { all = $2 }
    /"some"/ { some = $2 } /"none"/ { none = $2 } /^rmpopt_cpu/ { cpus++; sum += $2 }
    END { print regions, all, some, none, cpus, sum }' "$K/debug/rmpopt/metrics")"
echo 0-7 >"$work/cpu/online"
expect 'a CPU that is said to be offline is an error, not a guess' EIO "$(call read "$K/debug/rmpopt/cpu0")"
echo 0-15 >"$work/cpu/online"
unmount_host "$K"
over "$S" --allow-reenable
expect 'with --allow-reenable 1 is passed on' 2 "$(call write "$K/rmpopt/reenable" '1\n')"
expect 'and a pass begins' 1 "$(cat "$S/rmpopt/reenable")"
echo +1min >"$S/rmpsim/clock"
expect 'another value is refused' EINVAL "$(call write "$K/rmpopt/reenable" '2\n')"
unmount_host "$K"
unmount_host "$S"

if [ -n "$root" ]; then
    mount_host simulated --pace 0
    S=$M
    user=65534
    other=(setpriv --reuid "$user" --regid "$user" --clear-groups)
    over "$S"
    refused 'debug/ is closed to others' 1 'Permission denied' "${other[@]}" cat "$K/debug/rmpopt/metrics"
    unmount_host "$K"
    over "$S" -o "uid=$user"
    check 'uid= lets one user monitor' "${other[@]}" grep -q rmpopt_regions "$K/debug/rmpopt/metrics"
    check 'and read the table' "${other[@]}" cat "$K/debug/$(table "$K")"
    unmount_host "$K"
    over "$S" -o "gid=$user,mode=750"
    check 'gid= and mode= a group' "${other[@]}" grep -q rmpopt_regions "$K/debug/rmpopt/metrics"
    unmount_host "$K"
    unmount_host "$S"
else
    for name in 'debug/ is closed to others' 'uid=' 'and read the table' 'gid='; do skip "$name" 'only root'; done
fi

# --- Impossible files ---

F=$work/fake
# fake FOLDER MODE [ACTION]: a table of three regions and the end line, as regular files.
fake() {
    rm -rf "$F"
    mkdir -p "$F/config" "$F/debug/$1"
    printf 'Memory @%3dGB: CPU(s): %s\n' 0 none 1 0-15 2 0-3,5 3 none >"$F/debug/$1/rmpopt-table"
    chmod "$2" "$F/debug/$1/rmpopt-table"
    T=$F/debug/$1/rmpopt-table
    [ -n "${3:-}" ] || return 0
    mkdir "$F/config/rmpopt" && echo 'RMP optimization in progress: No' >"$F/config/rmpopt/action"
}
roots=(--engine kernel --config-root "$F/config" --debug-root "$F/debug" --cpu-root "$work/cpu")
kernel() { "$RMPFS" mount "${roots[@]}" "$@"; }
# cannot NAME PATTERN: the mount is refused.
cannot() {
    mkdir -p "$work/fake-mount"
    kernel "$work/fake-mount" >"$work/.out" 2>"$work/.output" </dev/null
    expect "$1" '1 yes' "$? $(grep -qE -- "$2" "$work/.output" && echo yes || cat "$work/.output")"
    is_mounted "$work/fake-mount" && unmount_host "$work/fake-mount"
}
mkdir -p "$F/config" "$F/debug"
cannot 'nothing is there' "^rmpfs: $F/debug/rmpopt/rmpopt-table, .*neither exists.*v9, v10, merged.*mount -t debugfs"
fake rmpopt 444
cannot 'a table of v1 without action' "config/rmpopt/action: No such file.*mount -t configfs"
fake x86/rmpopt 440
cannot 'a mode that no version has' 'rmpopt-table: not of a version.*mode 0440'
fake x86/rmpopt 444
mkdir "$F/debug/rmpopt" && cp "$T" "$F/debug/rmpopt/"
cannot 'two tables' 'there are two tables'
line() { printf "$1" >"$T"; cannot "$2" "rmpopt-table: $3"; }
fake x86/rmpopt 444
# shellcheck disable=SC2059
while IFS='|' read -r text name pattern; do
    line "$text" "$name" "$pattern"
done <<'END'
|an empty table|line 1 '': the file is empty
Memory @  0GB: CPU(s): none\nMemory @  1GB: CPU(s): 0-|a cut table|line 2 'Memory @  1GB: .*: the line has no end
Memory @  0GB: CPU(s): none\nMemory @  2GB: CPU(s): none\n|a region that is missing|line 2 .*region 1 was expected here
Memory @  0GB: CPU(s): none\nMemory @  0GB: CPU(s): none\n|a region twice|line 2 .*region 1 was expected here
Memory @ 0GB: CPU(s): none\nx|another width|line 1 'Memory @ 0GB: CPU.s.: none': not 'Memory
Memory @  0GB: CPU(s): some\nMemory @  1GB: CPU(s): none\n|another word|line 1 .*not a list of CPUs
Memory @  0GB: CPU(s): 3,2\nMemory @  1GB: CPU(s): none\n|a list that runs backwards|line 1 .*not a list of CPUs
Memory @  0GB: CPU(s): 0,1\nMemory @  1GB: CPU(s): none\n|a list that could be shorter|line 1 .*not a list
Memory @  0GB: CPU(s): 0-16\nMemory @  1GB: CPU(s): none\n|a CPU that is not online|line 1 .*CPU 16 is not online
RMP optimization\n|another text|line 1 'RMP optimization': not 'Memory
Memory @  0GB: CPU(s): \\0\nMemory @  1GB: CPU(s): none\n|a NUL|line 1 .*not a list
END
fake rmpopt 444 yes
kernel "$work/fake-mount" 2>"$work/.output" || sed 's/^/# /' "$work/.output"
expect 'a sound table of v1' 3 "$(wc -l <"$work/fake-mount/debug/rmpopt/cpu0")"
echo 'RMP optimization in progress: Perhaps' >"$F/config/rmpopt/action"
expect 'action with another word: EIO' EIO "$(call read "$work/fake-mount/rmpopt/action")"
expect 'and at reenable' EIO "$(call read "$work/fake-mount/rmpopt/reenable")"
sed -i 3d "$T"
expect 'a table that lost a line: EIO' EIO "$(call read "$work/fake-mount/debug/rmpopt/metrics")"
rm -f "$T"
expect 'a table that has gone: EIO' EIO "$(call read "$work/fake-mount/debug/rmpopt/rmpopt-table")"
unmount_host "$work/fake-mount"
# The kernel module: v1's files, and three of its own.
fake rmpopt 444 yes
echo 'cpu last_pass_ns pass_ns read_ns verified reported faults' >"$F/debug/rmpopt/cpus"
{
    printf 'pass trigger start_ns end_ns leader_ns follower_ns broadcast_ns won lost kept blocked outside '
    printf 'broadcasts interrupts interrupts_off_ns executions in_vain stolen_ns\n'
    echo '7 request 1000 4000 2000 1000 - 2 - 0 1 0 1 1 900 6 2 2900'
} >"$F/debug/rmpopt/passes"
kernel "$work/fake-mount"
check 'the module: its passes' cmp "$F/debug/rmpopt/passes" "$work/fake-mount/debug/rmpopt/passes"
check 'status reads them' eval 'limit 60 "$RMPFS" status "$work/fake-mount" | grep -q "last pass  *#7 (request) ended"'
expect 'without totals metrics have no passes' '' \
    "$(grep ^rmpopt_pass_duration "$work/fake-mount/debug/rmpopt/metrics")"
{
    printf '%s\n' 'begun 10' 'passes 9' 'time_ns 31000000500' 'broadcasts 90' 'interrupts 180' 'interrupts_off_ns 900' \
        'executions 54' 'in_vain 20' 'stolen_ns 5000'
    for limit in 1 5 10 50 100 250 500 1000 2500 5000 10000; do echo "up_to_${limit}ms 7"; done
    echo 'up_to_30000ms 8'
} >"$F/debug/rmpopt/totals"
# metric NAME: its value in the metrics of the mount.
metric() { sed -n "s/^$1 //p" "$work/fake-mount/debug/rmpopt/metrics"; }
expect 'its totals are metrics' '7 7 8 9 31.000000500 9' "$(for name in '_bucket{le="0.001"}' \
    '_bucket{le="10"}' '_bucket{le="30"}' '_bucket{le="+Inf"}' _sum _count; do
    metric "rmpopt_pass_duration_seconds$name"
done | xargs)"
expect 'and the other sums' '10 90 180 54 20 0.000005000 0.000000900' "$(for name in passes_total \
    pass_broadcasts_total pass_interrupts_total pass_executions_total \
    pass_executions_in_vain_total pass_stolen_seconds_total \
    pass_interrupts_off_max_seconds; do metric "rmpopt_$name"; done | xargs)"
expect 'and its last pass' '0.000003000 0.000004000' \
    "$(metric rmpopt_last_pass_duration_seconds) $(metric rmpopt_last_pass_end_seconds)"
check 'the clock of both' eval '[[ $(metric rmpopt_uptime_seconds) =~ ^[0-9]+[.]?[0-9]*$ ]]'
sed -i 's/^up_to_5ms 7/up_to_5ms 6/' "$F/debug/rmpopt/totals"
expect 'totals that cannot be: EIO' EIO "$(call read "$work/fake-mount/debug/rmpopt/metrics")"
sed -i 's/^up_to_5ms 6/up_to_5ms 7/; /^in_vain/d' "$F/debug/rmpopt/totals"
expect 'a line too few: EIO' EIO "$(call read "$work/fake-mount/debug/rmpopt/metrics")"
rm "$F/debug/rmpopt/totals"
expect 'reenable is there' 0 "$(cat "$work/fake-mount/rmpopt/reenable")"
sed -i 's/blocked/bad/' "$F/debug/rmpopt/passes"
expect 'other columns: EIO' EIO "$(call read "$work/fake-mount/debug/rmpopt/passes")"
unmount_host "$work/fake-mount"
fake rmpopt 444 yes
kernel "$work/fake-mount"
expect 'without cpus it is v1' ENOENT "$(call read "$work/fake-mount/debug/rmpopt/passes")"
unmount_host "$work/fake-mount"
fake x86/rmpopt 400
mkdir "$F/debug/rmpopt" && touch "$F/debug/rmpopt/cpus"
kernel "$work/fake-mount"
expect 'cpus beside a later table is nothing' ENOENT "$(call read "$work/fake-mount/debug/rmpopt/passes")"
unmount_host "$work/fake-mount"
fake x86/rmpopt 400
kernel "$work/fake-mount"
expect 'v6 to v8: the table is 0400' 400 "$(stat -c %a "$work/fake-mount/debug/x86/rmpopt/rmpopt-table")"
# Python has two names for EOPNOTSUPP.
expect 'reenable cannot report passes there' ENOTSUP \
    "$(call read "$work/fake-mount/rmpopt/reenable" | sed s/EOPNOT/ENOT/)"
expect 'action does not exist' ENOENT "$(call read "$work/fake-mount/rmpopt/action")"
expect 'all four lines are regions' 4 "$(wc -l <"$work/fake-mount/debug/rmpopt/cpu0")"
unmount_host "$work/fake-mount"
refused '--allow-reenable where nothing can be asked for' 1 'v6 to v8 has no file' \
    "$RMPFS" mount "${roots[@]}" --allow-reenable "$work/fake-mount"
refused 'a mount over its own files' 1 "$F: a mount here would cover $F/config" \
    "$RMPFS" mount "${roots[@]}" -o nonempty "$F"

# A table that differs at each reading: that of a host in a pass which sets a region's bits every few hundredths of a
# second, while each read takes longer than that.
mount_host changing --memory 1T --pace 0.002
S=$M
mkdir "$S/rmpsim/guests/vm0"
for words in page_size:1G memory:300G state:running state:stopped; do
    echo "${words#*:}" >"$S/rmpsim/guests/vm0/${words%:*}"
done
echo +1min >"$S/rmpsim/clock"
T=$S/debug/rmpopt/rmpopt-table
"$RMPFS" mount -f --engine kernel --config-root "$S" --debug-root "$S/debug" --cpu-root "$work/cpu" \
    "$work/fake-mount" 2>"$work/log" &
daemon=$!
within 20 [ -e "$work/fake-mount/debug/rmpopt/metrics" ] || true
mkdir "$S/rmpsim/faults/slow"
for words in "path:${T#"$S/"}" operation:read delay_ms:150; do
    echo "${words#*:}" >"$S/rmpsim/faults/slow/${words%:*}"
done
echo 1 >"$S/rmpopt/reenable"
expect 'a table that changes while it is read: EIO' EIO "$(call read "$work/fake-mount/debug/rmpopt/cpu0")"
check 'and a line in the log that names file, line and text' grep -qE \
    "^rmpfs: error: $T: line [0-9]+ 'Memory @ .*: CPU\(s\): .*': changed while it was read" "$work/log"
rmdir "$S/rmpsim/faults/slow"
echo +1min >"$S/rmpsim/clock"
check 'an idle table is read again' cmp "$S/debug/rmpopt/cpu0" "$work/fake-mount/debug/rmpopt/cpu0"
kill "$daemon"
wait "$daemon"
expect 'the daemon ends as always' 0 $?
unmount_host "$S"

# --- The command line ---

refused 'machine options with the kernel engine' 64 '--cpus: only for a simulated machine' \
    "$RMPFS" mount --engine kernel --cpus 2 "$work/fake-mount"
refused 'kernel options with the simulated engine' 64 '--debug-root: only for --engine kernel' \
    "$RMPFS" mount --debug-root /x "$work/fake-mount"
refused 'an unknown engine' 64 "'other'" "$RMPFS" mount --engine other "$work/fake-mount"
finish

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The table: its format, whether it is complete, and how it is read. Options: see rmpopt_lib.sh.

# shellcheck source=scripts/kselftest/rmpopt_lib.sh
. "$(dirname "$0")/rmpopt_lib.sh"
[ -n "$table" ] || skip_all "no table at $debugfs"
[ -r "$table" ] || skip_all "$table is closed to this user; run as root"
plan 14

read_all() { cat "$table" >"$1"; }
whole=$scratch/table

check 'it can be read' read_all "$whole"
check 'it is not empty' test -s "$whole"
same 'it ends with a newline' '' "$(tail -c 1 "$whole")"
# strange: lines that no version prints.
run='[0-9]+(-[0-9]+)?'
strange() { grep -nvE "^Memory @ {0,2}[0-9]+GB: CPU\\(s\\): (none|$run(,$run)*)\$" "$whole"; }
check 'each line has the format of the series' eval '! strange'
check 'regions are right-aligned in three columns' \
    awk '{ sub(/^Memory @/, ""); sub(/GB:.*/, ""); if ($0 != sprintf("%3d", $0 + 0)) { print FNR ": " $0; bad = 1 } }
        END { exit bad }' "$whole"
check 'no region is missing, none comes twice' \
    awk '{ sub(/^Memory @/, ""); n = $0 + 0; if (NR > 1 && n != last + 1) { print FNR ": " n; bad = 1 } last = n }
        END { exit bad }' "$whole"
check 'lists of CPUs are in order and as short as they can be' \
    awk '{ sub(/.*CPU\(s\): /, ""); if ($0 == "none") next
            count = split($0, runs, ","); behind = -1
            for (i = 1; i <= count; i++) {
                ends = split(runs[i], run, "-"); first = run[1] + 0; last = ends > 1 ? run[2] + 0 : first
                if (first <= behind || (ends > 1 && last <= first)) { print FNR ": " $0; bad = 1 }
                behind = last + 1
            } }
        END { exit bad }' "$whole"
if [ -n "$cpus" ] && [ -r "$cpus/online" ]; then
    check 'all CPUs in it are online' \
        awk -v online="$(cat "$cpus/online")" '
            BEGIN { count = split(online, runs, ",")
                for (i = 1; i <= count; i++) {
                    ends = split(runs[i], run, "-")
                    for (c = run[1] + 0; c <= (ends > 1 ? run[2] + 0 : run[1] + 0); c++) known[c] = 1
                } }
            { sub(/.*CPU\(s\): /, ""); if ($0 == "none" || $0 == seen) next
                seen = $0; count = split($0, runs, ",")
                for (i = 1; i <= count; i++) {
                    ends = split(runs[i], run, "-")
                    for (c = run[1] + 0; c <= (ends > 1 ? run[2] + 0 : run[1] + 0); c++)
                        if (!(c in known)) { print FNR ": CPU " c; exit bad = 1 }
                } }
            END { exit bad }' "$whole"
else
    skip 'all CPUs in it are online' 'which are is not known here'
fi
# v1 to v4 print a line for the address equal to the end of memory; from v5 on memory above 2 TB is left out.
goes_to_the_end() {
    lines=$(wc -l <"$whole")
    echo "$lines lines, $memory GB"
    [ "$lines" -eq "$memory" ] || [ "$lines" -eq $((memory + 1)) ] \
        || { [ "$memory" -gt 2048 ] && [ "$lines" -eq 2048 ]; }
}
if [ -n "$memory" ]; then
    check 'it goes to the end of memory' goes_to_the_end
else
    skip 'it goes to the end of memory' 'where that is was not said: RMPOPT_MEMORY'
fi

# A sequence file: one read(2) gets whole lines below one page, whatever its size. Who does not loop reads a part.
dd if="$table" of="$scratch/single" bs=131072 count=1 2>/dev/null
check 'one read(2) returns less than a page' test "$(wc -c <"$scratch/single")" -lt 4096
check 'of whole lines' test -z "$(tail -c 1 "$scratch/single")"
# Without the line of the end, which v1 to v4 leave out when a buffer begins just there; and not during a pass.
stable() {
    for try in 1 2 3 4 5; do
        idle_before=$(cat "$table" | cksum)
        "$@" && return
        if [ "$idle_before" = "$(cat "$table" | cksum)" ]; then return 1; fi
        echo "# the table has changed ($try)"
        sleep 1
    done
    return 1
}
begins_alike() {
    cat "$table" >"$whole"
    dd if="$table" bs=131072 count=1 2>/dev/null >"$scratch/single"
    head -c "$(wc -c <"$scratch/single")" "$whole" | cmp - "$scratch/single"
}
check 'which are the first ones of the table' stable begins_alike
in_small_reads() {
    cat "$table" >"$whole"
    dd if="$table" bs=100 2>/dev/null >"$scratch/small"
    cmp "$whole" "$scratch/small" && return
    sed '$d' "$whole" | cmp - "$scratch/small" || sed '$d' "$scratch/small" | cmp - "$whole"
}
check 'many small reads return the same' stable in_small_reads
if [ "$(id -u)" = 0 ]; then refusal='Invalid argument'; else refusal='Permission denied'; fi
same 'it cannot be written' "$refusal" "$(store "$table" '1\n')"
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `rmpfs map` and `rmpfs status` on real mounts and on trees of files: their output in a terminal and in a pipe, and
# their messages about malformed files.
# TIMEOUT: 120

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 45

map() { limit 30 env -u COLUMNS "$RMPFS" map "$@"; }
status() { limit 30 "$RMPFS" status "$@"; }
# number KEY JSON-FILE: a number of status --json.
number() { python3 -c 'import json, sys; print(json.load(open(sys.argv[2]))["regions"][sys.argv[1]])' "$1" "$2"; }
optimized() { grep -c 'CPU(s): 0-' "$M/debug/rmpopt/rmpopt-table"; }

mount_host host --pace 0 --cpus 8 --memory 256G
status --json "$M" >"$work/json"
expect 'status counts the regions of a fresh host' "256 $(optimized)" \
    "$(number total "$work/json") $(number optimized_on_all "$work/json")"
mkdir "$M/rmpsim/guests/vm0"
echo 20G >"$M/rmpsim/guests/vm0/memory"
echo running >"$M/rmpsim/guests/vm0/state"
status --json "$M" >"$work/json"
expect 'a guest takes regions away' "$(optimized) 0 $((256 - $(optimized)))" \
    "$(number optimized_on_all "$work/json") $(number optimized_on_some "$work/json") $(
        number optimized_on_none "$work/json")"
map "$M" >"$work/map"
cells=$(sed -n 's/^ *[0-9]* GB  //p' "$work/map" | tr -d '\n')
expect 'the map has two letters for each region' 512 "${#cells}"
dots=${cells//[^.]/}
expect 'as many are optimized as the table says' $((2 * $(optimized))) "${#dots}"
expect 'no escape sequences in a pipe' 0 "$(grep -c $'\033' "$work/map")"
check 'the summary says the same' grep -q "^optimized on all: $(optimized) (" "$work/map"
COLUMNS=40 limit 20 "$RMPFS" map "$M" >"$work/narrow"
expect 'COLUMNS is respected' '' "$(grep ' GB  ' "$work/narrow" | grep -E '.{41}')"
check 'status says it in words' eval 'status "$M" | grep -qx "optimized on all CPUs  *$(optimized) regions"'

terminal() {
    python3 - "$RMPFS" "$@" <<'PYTHON'
import fcntl, os, pty, struct, sys, termios
columns, rows, program = int(sys.argv[2]), int(sys.argv[3]), sys.argv[1]
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execv(program, [program] + sys.argv[4:])
text, is_watched = b"", "--watch" in sys.argv
while True:
    try:
        piece = os.read(master, 65536)
    except OSError:
        break
    if not piece:
        break
    text += piece
    # A watched picture has been drawn twice: end it by one key, once, because each redraw empties the terminal's queue.
    if is_watched and text.count(b"\x1b[H") >= 2:
        is_watched = False
        os.write(master, os.environ.get("END_KEY", "\x03").encode())
sys.stdout.buffer.write(text)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
}
in_terminal() {
    timeout -k 2 30 bash -c "$(declare -f terminal); RMPFS=\$1; shift; terminal \"\$@\"" bash "$RMPFS" "$@"
}
TERM=xterm-256color in_terminal 80 24 map "$M" >"$work/colour"
check 'a terminal gets colours' grep -q $'\033\\[0;38;5;22;48;5;29m' "$work/colour"
plain=$(sed $'s/\033\\[[0-9;]*m//g; s/\r//' "$work/colour" | grep ' GB  ')
expect 'the picture fits the terminal' '' "$(grep -E '.{81}' <<<"$plain")"
check 'and its height' eval '[ "$(wc -l <"$work/colour")" -lt 24 ]'
NO_COLOR=1 TERM=xterm-256color in_terminal 80 24 map "$M" >"$work/no-colour"
expect 'NO_COLOR is respected' 0 "$(grep -c $'\033' "$work/no-colour")"
TERM=dumb in_terminal 80 24 map "$M" >"$work/dumb"
expect 'so is TERM=dumb' 0 "$(grep -c $'\033' "$work/dumb")"
TERM=xterm in_terminal 80 24 map --watch 0.1 "$M" >"$work/watch"
expect '--watch ends well on Ctrl-C' 0 $?
TERM=xterm END_KEY=xq in_terminal 80 24 map --watch 0.1 "$M" >"$work/watch"
expect 'and on q, another key before it' 0 $?
check 'it gives the cursor and the window back' grep -q $'\033\\[?25h\033\\[?1049l' "$work/watch"
TERM=xterm in_terminal 80 24 map --watch "$M" >"$work/watch"
expect '--watch alone, before the mount point' 0 $?

check '--svg writes the picture' map --svg "$work/map.svg" "$M"
cells_of_svg() {
    python3 -c '
import sys, xml.etree.ElementTree as tree
titles = [title.text for title in tree.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}title")]
print(sum(" GB: " in title for title in titles))' "$1"
}
expect 'as XML, with a cell for each region' 256 "$(cells_of_svg "$work/map.svg")"
refused 'a file that cannot be written is named' 1 "^rmpfs: $work/none/map.svg: cannot be written: No such" \
    "$RMPFS" map --svg "$work/none/map.svg" "$M"

# Every version of the series, with and without a table: the output must agree with the CPUs' files.
for series in v1 v2 v5 v8 v10; do
    unmount_host
    mount_host "$series" --series "$series" --pace 0 --memory 8G --cpus 4
    mkdir "$M/rmpsim/guests/a, b"
    echo 3G >"$M/rmpsim/guests/a, b/memory"
    echo running >"$M/rmpsim/guests/a, b/state"
    status --json "$M" >"$work/json"
    told=$(cat "$M"/debug/rmpopt/cpu[0-3] | grep -c ': optimized')
    expect "$series: as many are optimized as cpuN says" "$told" $((4 * $(number optimized_on_all "$work/json")))
    check "$series: shows the guest and the last pass" python3 -c '
import json, sys
found = json.load(open(sys.argv[1]))
guests = [holder for holder in found["blockers"] if holder["kind"] == "guest"]
assert [guest["guest"] for guest in guests] == ["a, b"] and 0 <= guests[0]["pages"] - (3 << 18) < 16, guests
assert found["last_pass"]["number"] >= 1 and found["last_pass"]["won"] > 0, found["last_pass"]
assert found["schedule"] == {"running": False, "pending": False, "due_ns": None, "asked_by": None}, found' "$work/json"
done

# Without a table only some CPUs' files are read; the output must be as if all were.
counts() {
    python3 -c 'import json, sys
found = json.load(sys.stdin)["regions"]
print(*(found["optimized_on_" + share] for share in ("all", "some", "none")))'
}
truth() {
    python3 - "$1"/debug/rmpopt/cpu[0-9]* <<'PYTHON'
import collections, sys
counts, online = collections.Counter(), 0
for name in sys.argv[1:]:
    try:
        lines = open(name).read().splitlines()
    except OSError:
        continue
    online += 1
    for line in lines:
        counts[line.split(": ")[0]] += line.endswith(": optimized")
everywhere, nowhere = (sum(count == share for count in counts.values()) for share in (online, 0))
print(everywhere, len(counts) - everywhere - nowhere, nowhere)
PYTHON
}
told() { expect "$1" "$(truth "$2")" "$(status --json "$2" | counts)"; }
# Takes away 20 regions and ends the guest that did so.
lose_regions() {
    mkdir "$M/rmpsim/guests/$1"
    echo 20G >"$M/rmpsim/guests/$1/memory"
    echo running >"$M/rmpsim/guests/$1/state"
    echo "${2:-stopped}" >"$M/rmpsim/guests/$1/state"
    echo +1s >"$M/rmpsim/clock"
}
unmount_host
mount_host v10-pass --series v10 --pace 0 --memory 64G --cpus 8
lose_regions a
echo 1 >"$M/rmpopt/reenable"
echo +500us >"$M/rmpsim/clock"
told 'in a pass: the leader has some of the regions that it will scan' "$M"
expect 'which are those on some CPUs' yes "$(truth "$M" | awk '{ print ($2 > 0 && $2 < 20) ? "yes" : $0 }')"
echo +3ms >"$M/rmpsim/clock"
told 'in a pass: the others follow' "$M"
unmount_host
mount_host hotplug --series v1 --pace 0 --memory 64G --cpus 8
without_table() {
    rm -rf "$work/copy"
    mkdir -p "$work/copy/debug"
    cp -r "$M/debug/rmpopt" "$work/copy/debug/" 2>/dev/null
    rm "$work/copy/debug/rmpopt/rmpopt-table"
    # An unreadable file means offline; a missing file represents it.
    find "$work/copy/debug/rmpopt" -name 'cpu*' -empty -delete
}
switch() { for cpu in $2; do echo "$1" >"$M/rmpsim/cpus/cpu$cpu/online"; done; }
lose_regions a
switch 0 '2 3 6 7'
echo 1 >"$M/rmpopt/reenable"
echo +1s >"$M/rmpsim/clock"
without_table
told 'with cores offline' "$work/copy"
switch 1 '2 3 6 7'
without_table
told 'cores that were offline in a pass' "$work/copy"
lose_regions b running
mkdir "$M/rmpsim/guests/c"
echo 10G >"$M/rmpsim/guests/c/memory"
echo running >"$M/rmpsim/guests/c/state"
echo stopped >"$M/rmpsim/guests/b/state"
echo +1s >"$M/rmpsim/clock"
switch 0 '1 5'
echo 1 >"$M/rmpopt/reenable"
echo +1s >"$M/rmpsim/clock"
switch 1 '1 5'
without_table
told 'other cores in another pass' "$work/copy"

# Of CPUs that must have equal files, only one is read.
tree=$work/same/debug/rmpopt
mkdir -p "$tree"
printf 'Memory @  0GB: checked\nMemory @  1GB: optimized\n' >"$tree/cpu0"
for cpu in 1 2 3; do echo moonlight >"$tree/cpu$cpu"; done
printf 'Memory @  0GB: RMP table 5 pages\n' >"$tree/blockers"
for cpu in 0 1 2; do echo "rmpopt_cpu_regions_optimized{cpu=\"$cpu\"} 1"; done >"$tree/metrics"
expect 'one of several equal files is read, and metrics say which CPUs are online' '1 0 1 3 1' \
    "$(status --json "$work/same" | tee "$work/json" | counts) $(
        python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["cpus"].values())' "$work/json")"
echo 'rmpopt_cpu_regions_optimized{cpu="3"} many' >>"$tree/metrics"
refused 'a metric that is no number names file and line' 1 "^rmpfs: $tree/metrics:4: 'rmpopt_cpu" \
    "$RMPFS" status "$work/same"

# Files that are missing or malformed.
tree=$work/tree/debug/rmpopt
mkdir -p "$tree"
for cpu in 0 1; do printf 'Memory @  0GB: checked\nMemory @  1GB: optimized\n' >"$tree/cpu$cpu"; done
sed -i 's/optimized/checked/' "$tree/cpu1"
status "$work/tree" >"$work/text"
expect 'without a table, from the files of the CPUs' '0 1 1' \
    "$(sed -n 's/^optimized on .* \([0-9]*\) regions*/\1/p' "$work/text" | paste -sd ' ')"
printf 'Memory @  0GB: guest a\\054\\040b (asid 3) 7 pages\nMemory @  1GB: not scanned\n' >"$tree/blockers"
expect 'the reasons are shown' 'GGSS' "$(map "$work/tree" | sed -n 's/^ *0 GB  //p')"
check 'and the guest is named' eval 'status "$work/tree" | grep -q "guest a, b (asid 3) .* 1 region, 7 pages"'
echo 'Memory @  1GB: moonlight' >>"$tree/blockers"
sed -i 2d "$tree/blockers"
refused 'an unknown reason names file and line' 1 \
    "^rmpfs: $tree/blockers:2: 'moonlight' is not" "$RMPFS" map "$work/tree"
printf 'Memory @  0GB: CPU(s): 0-1\nMemory @  1G' >"$tree/rmpopt-table"
refused 'a table that is cut names file and line' 1 "$tree/rmpopt-table:2: the line does not end" \
    "$RMPFS" status "$work/tree"
refused 'a folder that is no mount' 1 "^rmpfs: $work: there is no debug/rmpopt in it" "$RMPFS" status "$work"
unmount_host
refused 'a missing folder' 1 "^rmpfs: $work/gone: No such file" "$RMPFS" map "$work/gone"
finish

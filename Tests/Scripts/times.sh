#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Modification times: those of our reports are always current, so that alerts on stale text files stay silent; the
# kernel's own files and all attributes keep theirs, as in debugfs and configfs.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"

plan 9

mount_host host --cpus 4 --memory 8G --pace 0
ours=$M/debug/rmpopt
mapfile -t reports < <(find "$ours" -type f ! -name rmpopt-table)
mapfile -t others < <(find "$M/rmpopt" "$M/rmpsim" "$ours/rmpopt-table" -type f)
check 'there are files of both kinds' [ "${#reports[@]}" = 11 -a "${#others[@]}" -ge 15 ]

# age FILE...: seconds since the oldest modification time.
age() { echo $(($(date +%s) - $(stat -c %Y "$@" | sort -n | head -1))); }
# young FILE...: all of them were modified less than three seconds ago.
young() { [ "$(age "$@")" -lt 3 ]; }

before=$(stat -c '%y %n' "${others[@]}")
sleep 4
check 'reports that nobody reads stay current' young "${reports[@]}"
exec 3<"$ours/metrics"
sleep 4
check 'nor through a descriptor' young -L /dev/fd/3
exec 3<&-
expect 'find finds no stale text' '' "$(find "${reports[@]}" -mmin +0.06)"
cat "${reports[@]}" "${others[@]}" >"$work/all" 2>/dev/null
touch -d 2001-02-03 "$ours/metrics"
check 'a time set by touch does not persist' eval 'sleep 1.1; young "$ours/metrics"'
check 'chmod persists' eval 'chmod 440 "$ours/metrics"; sleep 1.1; [ "$(stat -c %a "$ours/metrics")" = 440 ]'
expect 'all other files keep theirs, even when read' "$before" "$(stat -c '%y %n' "${others[@]}")"
touch -d 2001-02-03 "$ours/rmpopt-table" "$M/rmpopt/reenable"
sleep 1.1
expect 'and what touch sets there' '2001-02-03 2001-02-03' \
    "$(stat -c %y "$ours/rmpopt-table" "$M/rmpopt/reenable" | cut -d' ' -f1 | xargs)"
check 'it unmounts' unmount_host
finish

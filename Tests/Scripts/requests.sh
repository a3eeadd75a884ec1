#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The cost of everyday commands: exactly the requests in the table of docs/testing.md, command by command.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

# The rows: a command and its requests.
mapfile -t commands < <(sed -n '/^## Requests/,/^## /s/^| `\(.*\)` |.*|.*|$/\1/p' "$top/docs/testing.md")
mapfile -t costs < <(sed -n '/^## Requests/,/^## /s/^| `.*` |\([A-Z ]*\)|.*|$/\1/p' "$top/docs/testing.md")
[ "${#commands[@]}" -gt 0 ] && [ "${#commands[@]}" = "${#costs[@]}" ] || {
    printf 'Bail out! docs/testing.md: no table of requests that can be read\n'
    exit 1
}

plan $((${#commands[@]} + 5))

log=$work/requests
export RMPFS_REQUESTS=$log
mount_host host --pace 0
unset RMPFS_REQUESTS
check 'INIT comes first' eval '[ "$(head -n 1 "$log")" = "INIT 0" ]'
# A request that no command here makes, on a descriptor that needs no other: everything before it has been logged.
exec 7<"$M"
noted() {
    python3 -c 'import os
try: os.fsync(7)
except OSError: pass'
    within 5 grep -q FSYNCDIR "$log"
}
# sorted: words in a fixed order, on one line.
sorted() { tr ' ' '\n' | grep . | LC_ALL=C sort | paste -sd ' '; }
# requests COMMAND: the requests that it costs.
requests() {
    # The kernel caches our reports' attributes for one second.
    stat "$M"/debug/rmpopt/cpu{0,1,2} >"$work/.output"
    : >"$log"
    (cd "$M" && eval "$1") >"$work/.output" 2>&1
    noted || return
    # FORGET has no reply, and also comes when the kernel is short of memory.
    sed '$d' "$log" | awk '$1 !~ /FORGET/ { print $1 }' | paste -sd ' ' | sorted
}

for command in "${commands[@]}"; do requests "$command" >>"$work/first"; done
for index in "${!commands[@]}"; do
    cost=$(requests "${commands[index]}")
    expect "${commands[index]}" "$(sorted <<<"${costs[index]}")" "$cost"
    printf '%s\n' "$cost" >>"$work/all"
done
expect 'nothing unnecessary' '' "$(grep -oE 'FLUSH|GETXATTR|LISTXATTR|POLL|ACCESS|READLINK|STATX' "$work/all")"

# A file that was open when its guest was removed: the kernel would cache it until memory is short.
forgotten() {
    : >"$log"
    python3 - "$M/rmpsim/guests" <<'PYTHON' && noted || return
import os, sys
for number in range(400):
    guest = f"{sys.argv[1]}/vm{number}"
    os.mkdir(guest)
    file = os.open(guest + "/memory", os.O_RDONLY)
    os.rmdir(guest)
    os.close(file)
PYTHON
    [ "$(grep -c '^RELEASE' "$log")" = 400 ] || { echo "$(grep -c '^RELEASE' "$log") files were released"; return 1; }
    # A guest has a dozen files: those of the last dozen guests are held back.
    local known
    known=$(comm -23 <(awk '$1 == "RELEASE" { print $2 }' "$log" | sort -u) \
        <(awk '$1 == "FORGET" { print $2 }' "$log" | sort -u) | wc -l)
    [ "$known" -le 64 ] || { echo "$known of 400 files are still known to the kernel"; return 1; }
}
if printf '6.18\n%s\n' "$(uname -r)" | sort -CV; then
    check 'the kernel forgets files that were open when their guest was removed' forgotten
else
    skip 'the kernel forgets files that were open when their guest was removed' "Linux $(uname -r) is older than 6.18"
fi
exec 7<&-
check 'unmount' unmount_host
check 'nothing is left' nothing_left "$M"
finish

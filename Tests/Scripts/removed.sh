#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# v5 to v8 remove the table when the driver cleans up: whoever has it open gets EIO from then on.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

versions=(v5 v6 v7 v8)
plan $((2 * ${#versions[@]} + 2))

# calls: a line for each call on an open table: its number of bytes, its position or its error. The kernel alone answers
# lseek(2) to a given position, so that is not tested here.
cat >"$work/calls.py" <<'END'
import errno, os, sys
table, state = sys.argv[1:]

def answer(call):
    try:
        return str(call())
    except OSError as error:
        return errno.errorcode[error.errno]

def say(moment, descriptor):
    print(moment, "read", answer(lambda: len(os.read(descriptor, 10))),
          "data", answer(lambda: os.lseek(descriptor, 0, os.SEEK_DATA)), flush=True)

def firmware(value):
    with open(state, "w") as file: file.write(value)

first, second = os.open(table, os.O_RDONLY), os.open(table, os.O_RDONLY)
say("open:", first)
firmware("shutdown_x86")
say("removed:", first)
print("removed: pread", answer(lambda: len(os.pread(first, 10, 0))), "there", os.path.exists(table))
firmware("init")
# Even one that was idle while there was no table.
say("another:", first)
say("another:", second)
say("opened again:", os.open(table, os.O_RDONLY))
END

calls() {
    limit 20 python3 "$work/calls.py" "$M/debug/x86/rmpopt/rmpopt-table" "$M/rmpsim/firmware/state" 2>&1
}

for version in "${versions[@]}"; do
    # v5 has no llseek method: neither lseek(2) nor, here, pread(2).
    seek=EINVAL gone=EIO
    if [ "$version" = v5 ]; then seek=ESPIPE gone=ESPIPE; fi
    mount_host "$version" --series "$version" --pace 0
    expect "$version: a table that is open while it is removed" "open: read 10 data $seek
removed: read EIO data $gone
removed: pread $gone there False
another: read EIO data $gone
another: read EIO data $gone
opened again: read 10 data $seek" "$(calls)"
    check "$version: unmount" unmount_host
done

# Our files stay, whatever the driver does.
mount_host ours --series v8 --pace 0
expect 'our own files are not removed' ok "$(
    exec 7<"$M/debug/rmpopt/cpu0"
    echo shutdown_x86 >"$M/rmpsim/firmware/state"
    head -c 10 <&7 >/dev/null && echo ok
)"
check 'unmount' unmount_host
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hostile clients (hostile.py): descriptors kept open forever in the middle of texts, a reader of single bytes, names
# and writes of any bytes, huge offsets. The daemon's memory stays bounded, and it still answers others.
# TIMEOUT: 240
# shellcheck disable=SC2317 # the functions are called by name

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

plan 14

# hostile SECONDS CLIENT ARGUMENT...: runs a client, which reports what was wrong.
hostile() { limit "$1" python3 "$top/Tests/Scripts/hostile.py" "${@:2}"; }
# as_ever: the daemon still answers others.
as_ever() { [ "$(limit 10 cat "$M/rmpopt/reenable")" = 0 ] && [ "$(limit 10 wc -l <"$M/debug/rmpopt/cpu0")" = "$1" ]; }
gone() { unmount_host "$M" && nothing_left "$M"; }

# 10,000 texts of a CPU of 512 GB take at least 150 MB; 64 MB may be held, and the allocator uses some more.
mount_host held --cpus 64 --memory 512G --pace 0
check '10,000 descriptors in the middle of a text: memory is bounded, and each goes on' \
    hostile 150 descriptors "$M" "$(daemons "$M")" 10000 100
check 'the daemon answers as always' as_ever 512
check 'a reader of single bytes gets one text, and delays nobody' hostile 60 bytewise "$M"
check 'the daemon answers as always' as_ever 512
check 'it unmounts, and nothing is left' gone

mount_host bytes --cpus 4 --memory 16G --pace 0
pid=$(daemons "$M")
check 'names of any bytes' hostile 60 names "$M"
check 'the daemon answers as always' as_ever 16
check 'huge offsets' hostile 60 offsets "$M"
check 'the daemon answers as always' as_ever 16
check 'writes of any bytes' hostile 60 writes "$M" "${RMPFS_TEST_SEED:-1}"
check 'other bytes' hostile 60 writes "$M" "${RMPFS_TEST_SEED:-$$}"
check 'the daemon answers' limit 10 cat "$M/rmpopt/action"
expect 'it is the same daemon' "$pid" "$(daemons "$M")"
check 'it unmounts, and nothing is left' gone
finish

# SPDX-License-Identifier: Apache-2.0
# Shared by the tests of the RMPOPT interface: the location of its files, the version of the series, KTAP output.
#
# Each test runs against any tree with those files: a running kernel's, or a mount. Options, or the environment:
#
#   -c DIR  RMPOPT_CONFIGFS  where configfs is, /sys/kernel/config
#   -d DIR  RMPOPT_DEBUGFS   where debugfs is, /sys/kernel/debug
#   -p DIR  RMPOPT_CPUS      where the CPUs are, /sys/devices/system/cpu; a test that needs them is skipped without
#   -s vN   RMPOPT_SERIES    the version of the series, where the files do not show it
#   -m GB   RMPOPT_MEMORY    the end of memory in GB; without it the number of lines is not checked
#   -t SEC  RMPOPT_TIMEOUT   how long to wait for the end of a pass, 60
#
# Exit status 0: all passed; 1: some failed; 4: nothing could be tested. For any POSIX shell.
# shellcheck shell=sh disable=SC2034 # what is set here is used by the tests

LC_ALL=C
export LC_ALL
configfs=${RMPOPT_CONFIGFS:-/sys/kernel/config}
debugfs=${RMPOPT_DEBUGFS:-/sys/kernel/debug}
cpus=${RMPOPT_CPUS-/sys/devices/system/cpu}
series=${RMPOPT_SERIES:-}
memory=${RMPOPT_MEMORY:-}
timeout=${RMPOPT_TIMEOUT:-60}
while getopts c:d:p:s:m:t: option; do
    case $option in
    c) configfs=$OPTARG ;;
    d) debugfs=$OPTARG ;;
    p) cpus=$OPTARG ;;
    s) series=$OPTARG ;;
    m) memory=$OPTARG ;;
    t) timeout=$OPTARG ;;
    *) exit 64 ;;
    esac
done

number=0 failures=0 passes=0
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

echo 'TAP version 13'

# skip_all REASON
skip_all() {
    echo "1..0 # SKIP $1"
    exit 4
}

# plan COUNT
plan() {
    planned=$1
    echo "1..$1"
}

# result STATUS NAME: one test, passed if the status is 0.
result() {
    number=$((number + 1))
    if [ "$1" = 0 ]; then
        passes=$((passes + 1))
        printf 'ok %s %s\n' "$number" "$2"
    else
        failures=$((failures + 1))
        printf 'not ok %s %s\n' "$number" "$2"
    fi
}

# skip NAME REASON
skip() {
    number=$((number + 1))
    printf 'ok %s %s # SKIP %s\n' "$number" "$1" "$2"
}

# check NAME COMMAND...: one test, passed if the command succeeds. Its output explains a failure.
check() {
    check_name=$1
    shift
    "$@" >"$scratch/said" 2>&1
    check_status=$?
    [ "$check_status" = 0 ] || head -n 10 "$scratch/said" | sed 's/^/# /'
    result "$check_status" "$check_name"
}

# same NAME EXPECTED ACTUAL
same() {
    [ "$2" = "$3" ]
    same_status=$?
    [ "$same_status" = 0 ] || printf 'expected: %s\nfound: %s\n' "$2" "$3" | sed 's/^/# /'
    result "$same_status" "$1"
}

finish() {
    if [ "$number" != "$planned" ]; then
        echo "# $planned tests were planned, $number ran"
        exit 1
    fi
    if [ "$failures" != 0 ]; then exit 1; fi
    if [ "$passes" = 0 ]; then exit 4; fi
    exit 0
}

# mode FILE, size FILE
mode() { stat -c %a "$1"; }
size() { stat -c %s "$1"; }

# store FILE TEXT: one write(2) of a text with backslashes as in printf(1); prints 0, or the C library's words for the
# error.
store() {
    if printf '%b' "$2" | dd of="$1" bs=4096 conv=notrunc >"$scratch/store" 2>&1; then
        echo 0
    else
        sed -n '/^dd: /{s/.*: //p;q;}' "$scratch/store"
    fi
}

action=$configfs/rmpopt/action
description=$configfs/rmpopt/description
# Series v1 has its table in a folder of its own, later ones in that of the architecture.
table=
for file in "$debugfs/rmpopt/rmpopt-table" "$debugfs/x86/rmpopt/rmpopt-table"; do
    if [ -e "$file" ]; then table=${table:-$file}; fi
done
has_action=
if [ -e "$action" ]; then has_action=yes; fi
if [ -z "$table" ] && [ -z "$has_action" ]; then
    if [ -d "$debugfs" ] && [ ! -x "$debugfs" ]; then skip_all "$debugfs is closed to this user; run as root"; fi
    skip_all "no RMPOPT interface at $configfs and $debugfs"
fi

# in_progress: what series v1's flag says, as Yes or No.
in_progress() { sed -n 's/^RMP optimization in progress: \(Yes\|No\)$/\1/p' "$action"; }

# idle: waits until no pass is running that was asked for; fails if that does not come in time.
idle() {
    deadline=$(($(date +%s) + timeout))
    while [ "$(in_progress)" = Yes ]; do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            # On a simulated host, time may pass only by hand.
            if [ "$(cat "$configfs/rmpsim/pace" 2>/dev/null)" = 0 ]; then
                echo "# the clock of this host stands still: echo 1 > $configfs/rmpsim/pace, or leave out --pace 0"
            fi
            return 1
        fi
        sleep 0.1 2>/dev/null || sleep 1
    done
}

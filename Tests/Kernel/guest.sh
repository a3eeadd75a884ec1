# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts that run in a guest: checks, which write to /out/results, and the module's places.
# shellcheck shell=sh disable=SC2034 # what is set here is used by the tests

debug=/sys/kernel/debug/rmpopt
config=/sys/kernel/config/rmpopt
emulator=/sys/module/rmpopt_emulator/parameters
quick=
if grep -q test.quick=1 /proc/cmdline; then quick=yes; fi

# check NAME COMMAND...: the command succeeds; its output explains a failure.
check() {
    check_name=$1
    shift
    if "$@" >/tmp/said 2>&1; then
        echo "ok $check_name"
    else
        head -n 20 /tmp/said
        echo "failed $check_name"
    fi >>/out/results
}

# same NAME EXPECTED ACTUAL
same() {
    if [ "$2" = "$3" ]; then
        echo "ok $1"
    else
        printf 'expected: %s\nfound: %s\n' "$2" "$3"
        echo "failed $1"
    fi >>/out/results
}

# within SECONDS COMMAND...: waits until the command succeeds.
within() {
    within_end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        if [ "$(date +%s)" -ge "$within_end" ]; then return 1; fi
        usleep 50000
    done
}

# idle: waits for the end of a pass.
idle() { within 60 grep -qx 0 "$config/reenable"; }

# column NAME: a column of the last pass.
column() {
    awk -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i } { value = $column }
        END { print value }' "$debug/passes"
}

# load [PARAMETER...]: the emulator, with parameters, and the module.
load() { insmod /lib/rmpopt_emulator.ko "$@" && insmod /lib/rmpopt.ko; }

unload() { rmmod rmpopt && rmmod rmpopt_emulator; }

# store FILE TEXT: 0, or the error's words.
store() {
    if printf '%b' "$2" | dd of="$1" bs=4096 conv=notrunc 2>/tmp/store; then
        echo 0
    else
        sed -n 's/^dd: .*: //p' /tmp/store
    fi
}

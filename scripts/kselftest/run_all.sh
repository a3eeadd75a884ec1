#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs all tests of the RMPOPT interface, one after the other; options as for each of them, see rmpopt_lib.sh.
#
# Exit status 1 if one failed, 4 if all were skipped, else 0. KTAP, with the tests of each as a group.
here=$(dirname "$0")
tests='rmpopt_files.sh rmpopt_table.sh rmpopt_action.sh rmpopt_hotplug.sh'
# As the shell that runs this, also where files there cannot be executed.
shell=${RMPOPT_SHELL:-/bin/sh}
echo 'TAP version 13'
echo '1..4'
number=0 failed= passed=
for test in $tests; do
    number=$((number + 1))
    echo "# $test"
    # shellcheck disable=SC2086 # a shell may be a program and its applet
    output=$($shell "$here/$test" "$@")
    status=$?
    printf '%s\n' "$output" | sed 's/^/  /'
    case $status in
    0) passed=yes; echo "ok $number $test" ;;
    4) echo "ok $number $test # SKIP" ;;
    64) exit 64 ;;
    *) failed=yes; echo "not ok $number $test" ;;
    esac
done
[ -z "$failed" ] || exit 1
[ -n "$passed" ] || exit 4

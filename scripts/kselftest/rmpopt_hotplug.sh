#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# CPU hotplug: from series v8 on it is forbidden while SNP is active. Options: see rmpopt_lib.sh. Tries to take a CPU
# offline, and brings it back if that works.

# shellcheck source=scripts/kselftest/rmpopt_lib.sh
. "$(dirname "$0")/rmpopt_lib.sh"
case $series in
v8 | v9 | v10 | merged) ;;
'') skip_all 'which version this is the files do not tell: RMPOPT_SERIES=v8 or later' ;;
*) skip_all "series $series leaves hotplug alone" ;;
esac
cpu=
for file in "$cpus"/cpu[1-9]*/online; do
    if [ -w "$file" ] && [ "$(cat "$file")" = 1 ]; then cpu=${cpu:-$file}; fi
done
[ -n "$cpu" ] || skip_all "no CPU at $cpus that could be taken offline"
plan 2
found=$(store "$cpu" '0\n')
[ "$found" != 0 ] || store "$cpu" '1\n' >/dev/null
same "taking a CPU offline is refused" 'Device or resource busy' "$found"
same 'and it stays online' 1 "$(cat "$cpu")"
finish

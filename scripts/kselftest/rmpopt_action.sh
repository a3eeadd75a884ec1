#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Series v1's action: what it takes, what it refuses and how, and what it says during a pass. Options: see
# rmpopt_lib.sh. Runs passes.

# shellcheck source=scripts/kselftest/rmpopt_lib.sh
. "$(dirname "$0")/rmpopt_lib.sh"
[ -n "$has_action" ] || skip_all "no action at $configfs/rmpopt"
[ -w "$action" ] || skip_all "$action is closed to this user; run as root"
plan 24

text() { cat "$action"; }
yes='RMP optimization in progress: Yes' no='RMP optimization in progress: No'
either() { case $(text) in "$yes" | "$no") ;; *) text; return 1 ;; esac; }

check 'action says Yes or No' either
check 'a pass that is running ends in time' idle
same 'description' "$(printf '[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n')" "$(cat "$description")"
same 'description cannot be opened for writing, not by root either' 'Permission denied' "$(store "$description" '1\n')"

# Refused values, and by which error. None of them starts a pass.
for value in 0 2 -1 0x1 on ' 1' '1 ' 4294967295 ''; do
    same "'$value' is no value that is taken" 'Invalid argument' "$(store "$action" "$value\\n")"
done
for value in 4294967296 99999999999999999999999; do
    same "$value is out of range" 'Numerical result out of range' "$(store "$action" "$value\\n")"
done
same 'none of them starts a pass' "$no" "$(text)"

for value in '1\n' 1 '+1\n' '01\n'; do
    same "'$value' is taken" 0 "$(store "$action" "$value")"
    idle
done

# The text is made at the first read, not when the file is opened.
exec 3<"$action"
store "$action" '1\n' >/dev/null
before=$(text)
IFS= read -r kept <&3
after=$(text)
exec 3<&-
if [ "$before" = "$after" ]; then
    same 'who opened it before a write reads what is true after it' "$after" "$kept"
else
    skip 'who opened it before a write reads what is true after it' 'the pass ended just then'
fi
same '1 during a pass is taken, too' 0 "$(store "$action" '1\n')"
check 'and the pass ends in time' idle
same 'then action says No' "$no" "$(text)"
finish

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Which files there are, with which modes and sizes, in each version of the series. Options: see rmpopt_lib.sh.

# shellcheck source=scripts/kselftest/rmpopt_lib.sh
. "$(dirname "$0")/rmpopt_lib.sh"
plan 10

v1_table() { [ "$table" = "$debugfs/rmpopt/rmpopt-table" ]; }

check 'there is a table' test -n "$table"
one_place() { [ ! -e "$debugfs/rmpopt/rmpopt-table" ] || [ ! -e "$debugfs/x86/rmpopt/rmpopt-table" ]; }
check 'it is at one place' one_place
# v1: both; v2 to v8: a table alone.
if v1_table; then
    check 'with a table in rmpopt/ there is an action' test -e "$action"
    check 'and a description' test -e "$description"
    same 'the table has mode 0444' 444 "$(mode "$table")"
else
    check 'with a table in x86/rmpopt/ there is no action' test ! -e "$action"
    check 'and no description' test ! -e "$description"
    case $series in
    v[2-5]) same 'the table has mode 0444' 444 "$(mode "$table")" ;;
    v[6-8]) same 'the table has mode 0400' 400 "$(mode "$table")" ;;
    *)
        known_mode() { mode "$table" | grep -xE '444|400' || { mode "$table"; false; }; }
        check 'the table has mode 0444 or 0400' known_mode
        ;;
    esac
fi
same 'the table has size 0, as files of debugfs' 0 "$(size "$table")"
if [ -n "$has_action" ]; then
    same 'action has mode 0644' 644 "$(mode "$action")"
    same 'description has mode 0444' 444 "$(mode "$description")"
    same 'they have size 4096, as files of configfs' '4096 4096' "$(size "$action") $(size "$description")"
    # The subsystem has no make_group.
    no_folder() {
        mkdir "$configfs/rmpopt/new" || return 0
        rmdir "$configfs/rmpopt/new"
        return 1
    }
    check 'no folder can be made beside them' no_folder
else
    for name in 'action has mode 0644' 'description has mode 0444' 'they have size 4096' 'no folder can be made'; do
        skip "$name" 'only series v1 has them'
    done
fi
finish

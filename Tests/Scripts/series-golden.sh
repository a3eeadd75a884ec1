#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares what a small host of every version shows at every stage of its life with the recordings in
# Tests/Series/golden/VERSION: its folders and files with their modes, and the text of each of the kernel's files and of
# our log, passes and schedule.
#
#   Tests/Scripts/series-golden.sh [--update]      --update: record again; check the difference before you commit it
# TIMEOUT: 120
# shellcheck disable=SC2119 # unmount_host takes the last one

update=
if [ "${1:-}" = --update ]; then update=yes; fi

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"

golden=$top/Tests/Series/golden
versions=(v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 merged)
stages=(boot snp-init pass guest-end shutdown snp-init-again shutdown-x86 snp-init-anew kexec half-way)
plan $((${#versions[@]} * ${#stages[@]}))

# write VALUE FILE: writes, and prints the error if there is one.
write() { printf '%s\n' "$1" 2>&1 >"$M/$2" | sed 's/^.*: /error: /'; }
pass() { echo "+$1" >"$M/rmpsim/clock"; }

# tree: the folders and files with their modes; texts: their contents.
tree() {
    (cd "$M" && find rmpopt debug -printf '%M %s %p\n' | sort -k 3 -V)
}
texts() {
    local file
    for file in rmpopt/action rmpopt/description rmpopt/reenable debug/rmpopt/rmpopt-table \
        debug/x86/rmpopt/rmpopt-table debug/rmpopt/log debug/rmpopt/passes debug/rmpopt/schedule rmpsim/firmware/state \
        rmpsim/firmware/snp_enabled; do
        [ -e "$M/$file" ] || continue
        printf '\n== %s\n' "$file"
        cat "$M/$file"
    done
}

# reach STAGE: goes there from the previous stage; all in virtual time. Prints errors that belong to the stage.
reach() {
    local guest=$M/rmpsim/guests/vm table due
    case $1 in
    boot) ;;
    # More than the 10 s that v3 waits.
    snp-init | snp-init-again | snp-init-anew)
        write init rmpsim/firmware/state
        pass 15s
        ;;
    pass)
        write 1 rmpopt/reenable
        pass 150us
        ;;
    guest-end)
        pass 1s
        mkdir "$guest"
        write 1G rmpsim/guests/vm/memory
        write running rmpsim/guests/vm/state
        write stopped rmpsim/guests/vm/state
        pass 1min
        rmdir "$guest"
        ;;
    shutdown) write shutdown rmpsim/firmware/state ;;
    half-way)
        # SNP_INIT_EX has cleared the tables, and the pass after it, which may be due later, is half done.
        write init rmpsim/firmware/state
        due=$(sed -n 's/^due_ns: //p' "$M/debug/rmpopt/schedule")
        if [ "$due" != - ]; then pass "$((due - $(cat "$M/rmpsim/clock")))ns"; fi
        pass 250us
        ;;
    kexec)
        write kexec rmpsim/firmware/state
        pass 1s
        ;;
    shutdown-x86)
        # A reader that was there before keeps the file open, with the rest of a line in its buffer.
        table=$(find "$M/debug" -name rmpopt-table)
        exec 9<"${table:-/dev/null}"
        head -c 1 <&9 >/dev/null
        write shutdown_x86 rmpsim/firmware/state
        printf '== the table, open since before: %s lines more\n\n' "$(cat <&9 | wc -l)"
        exec 9<&-
        ;;
    esac
}

for version in "${versions[@]}"; do
    mount_host "$version" --cpus 4 --memory 4G --pace 0 --series "$version" --boot kernel
    if [ -n "$update" ]; then mkdir -p "$golden/$version"; fi
    for stage in "${stages[@]}"; do
        { reach "$stage"; tree; texts; } >"$work/$stage.txt" 2>&1
        if [ -n "$update" ]; then cp "$work/$stage.txt" "$golden/$version/$stage.txt"; fi
        expect_file "$version $stage" "$golden/$version/$stage.txt" cat "$work/$stage.txt"
    done
    unmount_host
done
finish

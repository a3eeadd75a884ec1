#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests in scripts/kselftest pass on a mount, through `rmpfs run` and on the kernel engine, in every shell; and fail
# on trees in which one thing is wrong.
# TIMEOUT: 300

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 busybox awk
suite=$top/scripts/kselftest

plan 63

# passes NAME STATUS COMMAND...: the tests end with that status, and no line reports a failure.
passes() {
    local name=$1 wanted=$2 status
    shift 2
    limit 100 "$@" >"$work/.output" 2>&1 </dev/null
    status=$?
    if [ "$status" = "$wanted" ] && ! grep -q 'not ok' "$work/.output"; then ok "$name"; return; fi
    echo "exit status $status" >>"$work/.output"
    not_ok "$name" "$work/.output"
}
# fails NAME TEST PATTERN [OPTION...]: a test on the tree $T ends with 1, and a matching line says what is wrong.
fails() {
    local name=$1 test=$2 pattern=$3 status
    shift 3
    limit 60 sh "$suite/$test" -c "$T/config" -d "$T/debug" -p '' "$@" >"$work/.output" 2>&1 </dev/null
    status=$?
    if [ "$status" = 1 ] && grep -qE "^not ok [0-9]+ $pattern" "$work/.output"; then ok "$name"; return; fi
    echo "exit status $status, expected 1 and 'not ok ... $pattern'" >>"$work/.output"
    not_ok "$name" "$work/.output"
}

# --- Sound trees ---

mkdir "$work/cpu"
echo 0-15 >"$work/cpu/online"
echo 0-15 >"$work/cpu/possible"
mount_host host
here=(-c "$M" -d "$M/debug" -p "$work/cpu" -m 64)
for shell in sh bash 'busybox sh'; do
    passes "on a mount, $shell" 0 env RMPOPT_SHELL="$shell" "$suite/run_all.sh" "${here[@]}"
done
for test in files table action; do
    passes "alone: rmpopt_$test.sh" 0 "$suite/rmpopt_$test.sh" "${here[@]}"
done
passes 'by the environment' 0 env RMPOPT_CONFIGFS="$M" RMPOPT_DEBUGFS="$M/debug" RMPOPT_CPUS="$work/cpu" \
    "$suite/rmpopt_table.sh"
numbers() { grep -cE '^(not )?ok' "$work/.output"; }
expect 'as many tests as were planned' "$(sed -n 's/^1\.\.//p' "$work/.output")" "$(numbers)"
mkdir "$work/kernel"
"$RMPFS" mount --engine kernel --config-root "$M" --debug-root "$M/debug" --cpu-root "$work/cpu" --allow-reenable \
    "$work/kernel"
passes 'on the kernel engine' 0 "$suite/run_all.sh" -c "$work/kernel" -d "$work/kernel/debug" -p "$work/cpu" -m 64
unmount_host "$work/kernel"
mkdir "$work/large"
"$RMPFS" mount --cpus 64 --memory 3T "$work/large"
passes 'on a large host' 0 "$suite/run_all.sh" -c "$work/large" -d "$work/large/debug" -p '' -m 3072
unmount_host "$work/large"
if "$RMPFS" run -- true 2>/dev/null; then
    # In there the CPUs of /sys are the host's; a test of hotplug must not reach any others.
    if "$RMPFS" run -- grep -q ' /sys/devices/system/cpu .* fuse.rmpfs ' /proc/self/mountinfo; then
        passes "at the kernel's own paths" 0 "$RMPFS" run -- "$suite/run_all.sh" -m 64
        passes "at the kernel's own paths, busybox sh" 0 "$RMPFS" run -- \
            env RMPOPT_SHELL='busybox sh' busybox sh "$suite/run_all.sh"
        passes "at the kernel's own paths, v8 with hotplug" 0 "$RMPFS" run --series v8 -- "$suite/run_all.sh" -s v8
    else
        for name in 1 2 3; do not_ok "at the kernel's own paths ($name): the CPUs there are the machine's"; done
    fi
else
    for name in 'at the kernel' 'with busybox' 'v8'; do skip "$name" 'this user may not have namespaces'; done
fi
passes 'nothing there: skipped' 4 "$suite/run_all.sh" -c "$work/none" -d "$work/none"
passes 'no version given: hotplug is skipped' 4 "$suite/rmpopt_hotplug.sh" "${here[@]}"
refused 'an unknown option' 64 'option' "$suite/rmpopt_table.sh" -x

passes 'on this kernel: 0, or 4 where it has no RMPOPT' \
    "$([ -e /sys/kernel/debug/rmpopt ] || [ -e /sys/kernel/debug/x86/rmpopt ] && echo 0 || echo 4)" "$suite/run_all.sh"

# --- Every version; three have nothing to test ---

for series in v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 merged; do
    mount_host "$series" --series "$series"
    case $series in v9 | v10 | merged) wanted=4 ;; *) wanted=0 ;; esac
    passes "a host of $series" "$wanted" \
        "$suite/run_all.sh" -c "$M" -d "$M/debug" -p "$M/rmpsim/cpus" -m 64 -s "$series"
    unmount_host
done
M=$work/host

# --- A version that disables hotplug, and one that forgot to ---

mkdir -p "$work/cpus/cpu1"
echo 1 >"$work/cpus/cpu1/online"
expect 'a CPU that can be taken offline, v8' 1 \
    "$(limit 20 "$suite/rmpopt_hotplug.sh" "${here[@]}" -p "$work/cpus" -s v8 >"$work/.output" 2>&1; echo $?)"
expect 'is brought back' 1 "$(cat "$work/cpus/cpu1/online")"
expect 'and the reason is said' '# found: 0' "$(grep found "$work/.output")"
unmount_host "$M"

# --- Broken trees ---

T=$work/tree
# tree FOLDER [MODE]: regular files in place of a kernel's.
tree() {
    rm -rf "$T"
    mkdir -p "$T/config" "$T/debug/$1"
    F=$T/debug/$1/rmpopt-table
    printf 'Memory @%3dGB: CPU(s): %s\n' 0 none 1 0-15 2 0-3,5 3 none >"$F"
    chmod "${2:-444}" "$F"
}
# v1: with configfs' files.
v1() {
    tree rmpopt
    mkdir "$T/config/rmpopt"
    printf 'RMP optimization in progress: %s\n' "${1:-No}" >"$T/config/rmpopt/action"
    printf '[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n' >"$T/config/rmpopt/description"
    chmod 444 "$T/config/rmpopt/description"
}
tree x86/rmpopt
fails 'a file with a size' rmpopt_files.sh 'the table has size 0'
chmod 644 "$F"
fails 'a table that can be written' rmpopt_files.sh 'the table has mode'
chmod 400 "$F"
fails 'v5 with mode 0400' rmpopt_files.sh 'the table has mode 0444' -s v5
chmod 444 "$F"
fails 'v6 with mode 0444' rmpopt_files.sh 'the table has mode 0400' -s v6
mkdir "$T/debug/rmpopt" && cp "$F" "$T/debug/rmpopt/"
fails 'two tables' rmpopt_files.sh 'it is at one place'
tree rmpopt
fails 'v1 without action' rmpopt_files.sh 'with a table in rmpopt/ there is an action'
fails 'v1 without description' rmpopt_files.sh 'and a description'
v1
fails 'an action of another size' rmpopt_files.sh 'they have size 4096'
chmod 600 "$T/config/rmpopt/action"
fails 'an action of another mode' rmpopt_files.sh 'action has mode 0644'
chmod 644 "$T/config/rmpopt/description"
fails 'a description of another mode' rmpopt_files.sh 'description has mode 0444'
fails 'folders can be made' rmpopt_files.sh 'no folder can be made'
rm -f "$F"
fails 'no table' rmpopt_files.sh 'there is a table'

# wrong NAME PATTERN SED-SCRIPT [OPTION...]: a table with a change.
wrong() {
    local name=$1 pattern=$2 script=$3
    shift 3
    tree x86/rmpopt
    sed -i "$script" "$F"
    fails "$name" rmpopt_table.sh "$pattern" "$@"
}
wrong 'an empty table' 'it is not empty' d
wrong 'another word' 'each line has the format' '2s/CPU(s)/CPUs/'
wrong 'a line of something else' 'each line has the format' '3a\\'
wrong 'another width' 'regions are right-aligned' '2s/@  /@ /'
wrong 'a region that is missing' 'no region is missing' 2d
wrong 'a region twice' 'no region is missing' '2{p}'
wrong 'a list that is not in order' 'lists of CPUs are in order' '3s/0-3,5/5,0-3/'
wrong 'a list that could be shorter' 'lists of CPUs are in order' '3s/0-3,5/0-3,4/'
wrong 'a range backwards' 'lists of CPUs are in order' '3s/0-3/3-0/'
wrong 'a table that is too short' 'it goes to the end of memory' 4d -m 4
wrong 'a table that is too long' 'it goes to the end of memory' '' -m 2
wrong 'CPUs that are not online' 'all CPUs in it are online' '2s/15/16/' -p "$work/cpu"
tree x86/rmpopt
printf %s "$(cat "$F")" >"$T/new" && mv -f "$T/new" "$F"
fails 'a table that is cut' rmpopt_table.sh 'it ends with a newline'
printf 'Memory @%3dGB: CPU(s): none\n' {0..200} >"$T/new" && mv -f "$T/new" "$F"
fails 'a read that returns more than a page' rmpopt_table.sh 'one read.2. returns less than a page'
tree x86/rmpopt 644
fails 'a table that accepts writes' rmpopt_table.sh 'it cannot be written'

v1 Perhaps
fails 'an action with another word' rmpopt_action.sh 'action says Yes or No'
v1
fails 'an action that accepts everything' rmpopt_action.sh ".2. is no value that is taken"
v1 Yes
fails 'a pass that does not end' rmpopt_action.sh 'a pass that is running ends in time' -t 1
echo nonsense >"$T/new" && mv -f "$T/new" "$T/config/rmpopt/description"
fails 'another description' rmpopt_action.sh 'description' -t 1
mount_host still --pace 0
T=$work/still-tree
mkdir -p "$T"
ln -s "$M" "$T/config"
ln -s "$M/debug" "$T/debug"
fails 'a host whose passes never end' rmpopt_action.sh 'and the pass ends in time' -t 1
unmount_host "$M"
finish

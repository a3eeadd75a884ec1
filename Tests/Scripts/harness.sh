#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests the test tools: a runner or a check that never fails is worthless.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need git

plan 39

# --- run-ktap ---

# made NAME TEXT: creates a test with that text.
made() {
    printf '#!/usr/bin/env bash\n%s\n' "$2" >"$work/$1"
    chmod +x "$work/$1"
}
# runs NAME...: the runner's output for these tests, without times, and its exit status.
runs() {
    local command=() name status
    for name; do
        [ "${#command[@]}" = 0 ] || command+=(--)
        command+=("$work/$name")
    done
    rm -f "$work/counts"
    TMPDIR=$work limit 60 "$top/scripts/lib/run-ktap" --limit 2 --counts "$work/counts" --times "$work/times" \
        "${command[@]}" >"$work/said" 2>&1
    status=$?
    printf '%s, exit %d' "$(cat "$work/counts")" "$status"
}
# told NAME PATTERN: the last run printed a matching line.
told() { check "$1" grep -qE -- "$2" "$work/said"; }

made good 'printf "KTAP version 1\n1..3\nok 1 a\nok 2 b # SKIP no c\nok 3 d\n"'
expect 'runner: a good test' '2 0 1, exit 0' "$(runs good)"
made bad 'printf "KTAP version 1\n1..2\n# because\nnot ok 1 a\nok 2 b\n"; exit 1'
expect 'runner: a bad test' '1 1 0, exit 1' "$(runs bad)"
told 'runner: says which' '^ +not ok 1 a$'
told 'runner: and why' '^ +# because$'
expect 'runner: two tests' '3 1 1, exit 1' "$(runs good bad)"
made short 'printf "KTAP version 1\n1..3\nok 1 a\n"'
expect 'runner: a test that stops early' '1 1 0, exit 1' "$(runs short)"
made long 'printf "KTAP version 1\n1..1\nok 1 a\nok 2 b\n"'
expect 'runner: a test that runs on' '2 1 0, exit 1' "$(runs long)"
made silent 'echo "cannot begin" >&2; exit 3'
expect 'runner: a test that says nothing' '0 1 0, exit 1' "$(runs silent)"
told 'runner: shows what it said instead' 'cannot begin'
made status 'printf "KTAP version 1\n1..1\nok 1 a\n"; exit 3'
expect 'runner: a test that ends with an error' '1 1 0, exit 1' "$(runs status)"
made none 'printf "KTAP version 1\n1..0 # SKIP not here\n"; exit 4'
expect 'runner: a test that cannot run' '0 0 1, exit 0' "$(runs none)"
made bail 'printf "KTAP version 1\n1..2\nok 1 a\nBail out! no more\n"; exit 1'
expect 'runner: a test that gives up' '1 1 0, exit 1' "$(runs bail)"
made slow 'printf "KTAP version 1\n1..2\nok 1 a\n"; sleep 50; echo "ok 2 b"'
expect 'runner: a test that hangs' '1 1 0, exit 1' "$(runs slow)"
told 'runner: says so' 'not ended within 2 s'
check 'runner: says how long it took' grep -qxE '[2-9] slow' "$work/times"
made leaver 'printf "KTAP version 1\n1..1\nok 1 a\n"; setsid sleep 1000 & disown'
expect 'runner: a test that leaves a process' '1 1 0, exit 1' "$(runs leaver)"
told 'runner: names the process' 'still running: +[0-9]+ sleep 1000'
# shellcheck disable=SC2016
made mounter 'printf "KTAP version 1\n1..1\n"; mkdir "$TMPDIR/m"; "$RMPFS" mount "$TMPDIR/m" && echo "ok 1 a"'
export RMPFS
expect 'runner: a test that leaves a mount' '1 1 0, exit 1' "$(runs mounter)"
told 'runner: names the mount' 'still mounted: .*/m$'
check 'runner: took the mount away' nothing_left "$work"

# --- setup.bash on a machine that lacks something; this apt-get only records its arguments ---

bin=$work/bin
mkdir "$bin"
for command in bash sort id mktemp timeout rm tail; do ln -s "$(command -v "$command")" "$bin/"; done
printf '#!/bin/sh\necho "apt-get $*" >>"%s"\n' "$work/asked" >"$bin/apt-get"
chmod +x "$bin/apt-get"
# installs WORDS...: what install_missing asks apt-get for, its exit status, and its messages.
installs() {
    rm -f "$work/asked"
    # shellcheck disable=SC2016
    PATH=$bin limit 20 bash -c '. "$0"; install_missing "$@"' "$top/scripts/lib/setup.bash" "$@" \
        >"$work/said" 2>&1 </dev/null
    local status=$?
    if [ -e "$work/asked" ]; then paste -sd '|' "$work/asked"; fi
    echo "exit $status"
}
expect 'setup: nothing is missing, nothing is asked' 'exit 0' "$(installs sort:coreutils bash:bash)"
if [ "$(id -u)" = 0 ]; then
    expect 'setup: root installs what is missing, once' \
        'apt-get update|apt-get install -y --no-install-recommends one three|exit 0' \
        "$(installs no-such:one sort:coreutils no-such-either:three no-such:one | paste -sd '|')"
    told 'setup: and says so' '^\$ apt-get install -y --no-install-recommends one three$'
    printf '#!/bin/sh\necho no network; exit 1\n' >"$bin/apt-get"
    expect 'setup: when that fails it ends' 'exit 1' "$(installs no-such:one)"
else
    expect 'setup: without sudo a user gets a message' 'exit 1' "$(installs no-such:one no-such:three)"
    for name in 'setup: and says so' 'setup: when that fails it ends'; do skip "$name" 'only root installs'; done
fi
told 'setup: with the command to type' '^ +apt-get update && apt-get install -y --no-install-recommends one'

# --- check-house ---

# A small repository that follows every rule; each violation must be found.
house=$work/house
mkdir -p "$house/Sources/RMPModel" "$house/Sources/RMPFS/Files" "$house/Sources/RMPFS/Fuse" "$house/scripts"
licence='SPDX-License-Identifier: Apache-2.0'
git init -q "$house"
# text PATH LINE...: creates a file with these lines.
text() {
    local path=$house/$1
    shift
    printf '%s\n' "$@" >"$path"
}
keep_all_rules() {
    text Sources/RMPModel/M.swift "// $licence" 'struct M {}'
    text Sources/RMPFS/Files/F.swift "// $licence" 'import Synchronization'
    text Sources/RMPFS/Fuse/E.swift "// $licence" 'import CFuse'
    text scripts/run '#!/usr/bin/env bash' "# $licence" 'echo'
    text Package.swift '// swift-tools-version: 6.1' "// $licence"
    chmod +x "$house/scripts/run"
}
# broken: the rules that the small repository violates.
broken() {
    limit 60 "$top/scripts/lib/check-house" "$house" | sed -n 's/^not ok [0-9]* //p' | paste -sd '|'
    keep_all_rules
}
keep_all_rules
expect 'house: all rules kept' '' "$(broken)"
printf 'x' >>"$house/Sources/RMPModel/M.swift"
expect 'house: no newline at the end' 'files end with a newline' "$(broken)"
text Sources/RMPModel/M.swift "// $licence" 'struct M {} '
expect 'house: blank at the end of a line' 'no blanks at the end of a line' "$(broken)"
text Sources/RMPModel/M.swift "// $licence" $'\tstruct M {}'
expect 'house: tab' 'tabs only in C and makefiles' "$(broken)"
text Sources/RMPModel/M.swift "// $licence" "// $(printf 'ä%.0s' {1..118})"
expect 'house: 121 characters' 'lines of Swift and shell have at most 120 characters' "$(broken)"
text Sources/RMPModel/M.swift 'struct M {}'
expect 'house: no licence' 'sources begin with their licence' "$(broken)"
text Package.swift '// swift-tools-version: 6.1' '// A package.' "// $licence"
expect 'house: licence too late' 'sources begin with their licence' "$(broken)"
text Sources/RMPModel/M.swift "// $licence" '// TO''DO: more'
expect 'house: note to oneself' 'no notes to oneself' "$(broken)"
text Sources/RMPModel/M.swift "// $licence" 'public import struct RMPFS.F'
expect 'house: the model imports' 'RMPModel imports nothing but a heap' "$(broken)"
text Sources/RMPFS/Files/F.swift "// $licence" 'import Foundation'
expect 'house: Foundation' \
    'RMPFS imports no Foundation|nothing in Sources imports Foundation or Dispatch' "$(broken)"
text Sources/RMPFS/Files/F.swift "// $licence" '@preconcurrency internal import CFuse'
expect 'house: CFuse elsewhere' 'only RMPFS/Fuse imports CFuse' "$(broken)"
text Sources/RMPFS/Files/F.swift "// $licence" 'struct RMPTable {}'
expect 'house: RMP in a file kind' 'RMPFS/Files knows nothing of RMP' "$(broken)"
chmod -x "$house/scripts/run"
expect 'house: not executable' 'scripts are executable' "$(broken)"
if command -v shellcheck >/dev/null; then
    text scripts/run '#!/usr/bin/env bash' "# $licence" 'rm -r "$nothing"/*'
    expect 'house: wrong shell' 'shellcheck' "$(broken)"
else
    skip 'house: wrong shell' 'shellcheck is not installed'
fi
finish

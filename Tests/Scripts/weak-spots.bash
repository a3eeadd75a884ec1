# SPDX-License-Identifier: Apache-2.0
# Shared by the two tests of the weak spots: the host by its files, and whether a flaw was seen where it was posted.
# shellcheck shell=bash
# shellcheck disable=SC2034 # the tests use what is set here

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "${BASH_SOURCE[0]}")/lib.bash"

versions=(v1 v2 v3 v4 v5 v6 v7 v8 v9 v10 merged)

# --- The host at $M, by its files ---

# host NAME VERSION [OPTION...]: mounts a host whose time stands still.
host() {
    mount_host "$1" --pace 0 --series "$2" "${@:3}"
    D=$M/debug/rmpopt G=$M/rmpsim/guests F=$M/rmpsim/firmware/state
}
# pass STEP: lets virtual time pass.
pass() { echo "+$1" >"$M/rmpsim/clock"; }
# passes: the triggers of all finished passes.
passes() { awk 'NR > 1 { print $2 }' "$D/passes" | paste -sd ' '; }
passes_ended() { awk 'NR > 1' "$D/passes" | wc -l; }
schedule() { sed -n "s/^$1: //p" "$D/schedule"; }
# lost CPU: how many regions the CPU has not optimized; faults: #UD so far.
lost() { grep -vc optimized "$D/cpu$1"; }
faults() { sed -n 's/^rmpopt_undefined_opcodes_total //p' "$D/metrics"; }
# guest NAME MEMORY [ATTRIBUTE VALUE]...: a running guest.
guest() {
    local name=$1
    mkdir "$G/$name" && echo "$2" >"$G/$name/memory" || return
    shift 2
    while [ $# -gt 1 ]; do
        echo "$2" >"$G/$name/$1" || return
        shift 2
    done
    echo running >"$G/$name/state"
}
end() { echo stopped >"$G/$1/state"; }
# machine NAME TEXT: a machine file.
machine() { printf '%s\n' "$2" >"$work/$1.yaml"; }

# rank VERSION: its place in the series; the merged form is the last.
rank() { if [ "$1" = merged ]; then echo "${#versions[@]}"; else echo "${1#v}"; fi; }
# among VERSION FIRST LAST: whether the version is one of those.
among() { [ "$(rank "$1")" -ge "$(rank "$2")" ] && [ "$(rank "$1")" -le "$(rank "$3")" ]; }
# flaw NAME VERSION SEEN [FIRST LAST]...: the flaw was seen (yes) in exactly the versions of the ranges.
flaw() {
    local name=$1 version=$2 seen=$3 expected=no
    shift 3
    while [ $# -gt 1 ]; do
        if among "$version" "$1" "$2"; then expected=yes; fi
        shift 2
    done
    expect "$name $version: $([ "$expected" = yes ] && echo flawed || echo sound)" "$expected" "$seen"
}
# answer COMMAND...: yes or no.
answer() { if "$@"; then echo yes; else echo no; fi; }
# spots NAME...: plans, and looks for each in every version.
spots() {
    local spot version
    plan $(($# * ${#versions[@]}))
    for spot; do
        for version in "${versions[@]}"; do "$spot" "$version"; done
    done
    finish
}

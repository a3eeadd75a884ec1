#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What docs/real-hosts.md says about saving a host's RMP, carried out: the block is run as it is there, on a file in the
# place of /dev/mem.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 6

# Segments that lie in the opposite order of what they cover.
printf '%s\n' 'cpus: {cores_per_package: 2}' 'memory: [{start: 0, size: 4G}]' 'rmp:' '  segment_size: 1G' \
    '  segments:' >"$work/segmented.yaml"
for index in 0 1 2 3; do
    printf '    - {index: %d, base: %#x, covers: 1G}\n' $index $((0x70000000 - index * 0x1000000))
done >>"$work/segmented.yaml"
printf '%s\n' 'cpus: {cores_per_package: 2}' 'memory: [{start: 0, size: 4G}]' 'processor: {segmented_rmp: false}' \
    >"$work/contiguous.yaml"
# register NAME: its value; 0 for one that the processor does not have.
register() { sed -n "s/^$1 //p; \$a0x0" "$work/registers" | head -n 1; }
# The page's block, without the line for the other kind of RMP. rdmsr and rmpfs answer for the host that is saved.
saved() {
    local kind=$1
    (
        cd "$work" || exit
        base=$(register rmp_base) end=$(register rmp_end) cfg=$(register rmp_cfg)
        cat >block <<BLOCK
set -e
rdmsr() { case \$1 in 0xc0010132) echo ${base#0x} ;; 0xc0010133) echo ${end#0x} ;; esac; }
rmpfs() { "$RMPFS" "\$@" --memory "$work/mem" --rmp-base $base --rmp-end $end --rmp-cfg $cfg; }
BLOCK
        sed -n '/^save() {/,/^```/p' "$top/docs/real-hosts.md" | sed '$d' | sed "s|if=/dev/mem|if=$work/mem|" >shown
        case $kind in
        segmented) sed '/# A contiguous RMP/,/^$/d' shown ;;
        *) sed '/# A segmented RMP/,$d' shown ;;
        esac >>block
        rm -f rmp.image
        limit 60 bash block
    )
}
# counted FILE: what rmpfs says of an RMP.
counted() {
    limit 60 "$RMPFS" rmp --csv --memory "$1" --rmp-base "$(register rmp_base)" --rmp-end "$(register rmp_end)" \
        --rmp-cfg "$(register rmp_cfg)" --end 4G
}
for kind in segmented contiguous; do
    mount_host "$kind" --pace instant --machine "$work/$kind.yaml"
    mkdir "$M/rmpsim/guests/g"
    echo 1G >"$M/rmpsim/guests/g/memory"
    echo running >"$M/rmpsim/guests/g/state"
    limit 60 cp --sparse=always "$M/rmpsim/memory/image" "$work/mem"
    cp "$M/rmpsim/memory/registers" "$work/registers"
    unmount_host
    check "$kind: the page's block" saved "$kind"
    counted "$work/mem" >"$work/whole"
    check "$kind: the host has a guest" grep -q ',guest,' "$work/whole"
    expect_file "$kind: what is saved says the same" "$work/whole" counted "$work/rmp.image"
done
finish

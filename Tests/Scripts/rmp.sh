#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `rmpfs rmp`: a mount's RMP read as a host's, live and from a saved image, agrees with `blockers`; a tree that stands
# for a host; every way to print; every message.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 51

rmp() { limit 60 "$RMPFS" rmp "$@"; }
# held: the lines of blockers in the words of rmp: guests by ASID alone, sizes and "not scanned" left out, and in the
# order of the pages, then of the words.
held() {
    python3 -c '
import re, sys
for line in sys.stdin:
    match = re.match(r"Memory @ *(\d+)GB: (.*)", line)
    if not match:
        continue
    parts = []
    for part in match[2].split(", "):
        part = re.sub(r" \((?:2 MB|\d+ in 2 MB)\)$", "", part)
        part = re.sub(r"^guest \S+ \(asid (\d+)\)", r"asid \1", part)
        part = re.sub(r"^(reclaim|locked) ", "leaked ", part)
        if part.endswith(" pages") and not part.startswith("not covered"):
            parts.append(part)
    if parts:
        print(match[1], *sorted(parts), sep=", ")
'
}
# agrees NAME ARGUMENT...: rmp says of each gigabyte what blockers says.
agrees() {
    local name=$1
    shift
    expect "$name" "$(held <"$M/debug/rmpopt/blockers")" "$(rmp "$@" | held)"
}
# value NAME: a register of the mount, or where its memory ends.
value() { sed -n "s/^$1 //p" "$M/rmpsim/memory/registers"; }
guest() {
    mkdir "$M/rmpsim/guests/$1"
    echo "$3" >"$M/rmpsim/guests/$1/page_size"
    echo "$4" >"$M/rmpsim/guests/$1/placement"
    echo "$2" >"$M/rmpsim/guests/$1/memory"
    echo running >"$M/rmpsim/guests/$1/state"
}

# Segments in any order, and a gigabyte that none covers.
printf '%s\n' 'cpus: {cores_per_package: 2}' 'memory: [{start: 0, size: 3G}, {start: 4G, size: 4G}]' 'rmp:' \
    '  segment_size: 1G' '  segments:' >"$work/scattered.yaml"
for index in 0 1 2 4 5 7; do
    printf '    - {index: %d, base: %#x, covers: 1G}\n' $index $((0x70000000 - index * 0x1000000))
done >>"$work/scattered.yaml"
printf '%s\n' 'cpus: {cores_per_package: 2}' 'memory: [{start: 0, size: 2G}]' 'processor: {segmented_rmp: false}' \
    >"$work/contiguous.yaml"
for kind in segmented scattered; do
    case $kind in
    segmented) mount_host "$kind" --pace instant --cpus 4 --memory 8G ;;
    scattered) mount_host "$kind" --pace instant --machine "$work/scattered.yaml" ;;
    esac
    agrees "$kind: after boot" "$M"
    guest a 300M 4K packed
    guest b 2G 2M 'scattered 7'
    guest c 100M 4K 'scattered 8'
    # The last chunk of memory: an entry of 2 MB, and one page of nobody's behind it.
    odd=$(($(value memory_end) - 0x200000))
    printf '%#x assigned=1 asid=77 gpa=0x200000 size=2M\n' $((odd - 0x200000)) >"$M/rmpsim/memory/rmpupdate"
    printf '%#x assigned=1\n' $((odd + 0x3000)) >"$M/rmpsim/memory/rmpupdate"
    echo stopped >"$M/rmpsim/guests/c/state"
    agrees "$kind: with guests" "$M"
    agrees "$kind: with guests, quick" --quick "$M"
    agrees "$kind: with guests, one thread" --threads 1 "$M"

    # Saved, and read from the file with the registers.
    check "$kind: the image is saved" limit 60 cp --sparse=always "$M/rmpsim/memory/image" "$work/image"
    expect "$kind: it is as large as memory" "$(stat -c %s "$M/rmpsim/memory/image")" "$(stat -c %s "$work/image")"
    check "$kind: and sparse" [ "$(stat -c %b "$work/image")" -lt 200000 ]
    registers=(--memory "$work/image" --rmp-base "$(value rmp_base)" --rmp-end "$(value rmp_end)" --rmp-cfg
        "$(value rmp_cfg)" --end "$(($(value memory_end) >> 30))G")
    agrees "$kind: the file" "${registers[@]}"
    agrees "$kind: the file, quick" --quick "${registers[@]}"

    # A tree that stands for a host: msr(4) as a file has a register every eight bytes.
    mkdir -p "$work/root/dev/cpu/0" "$work/root/proc"
    mv "$work/image" "$work/root/dev/mem"
    python3 - "$work/root/dev/cpu/0/msr" "$M/rmpsim/memory/registers" <<'PYTHON'
import sys
values = dict(line.split() for line in open(sys.argv[2], encoding="ascii"))
numbers = {"syscfg": 0xc0010010, "rmp_base": 0xc0010132, "rmp_end": 0xc0010133, "rmp_cfg": 0xc0010136}
with open(sys.argv[1], "wb") as file:
    for name, number in numbers.items():
        file.seek(number * 8)
        file.write(int(values.get(name, "0"), 16).to_bytes(8, "little"))
PYTHON
    printf '00001000-%x : System RAM\n' "$(($(value memory_end) - 1))" >"$work/root/proc/iomem"
    agrees "$kind: a tree of files" --sysroot "$work/root"
    [ "$kind" = segmented ] || break
    unmount_host
    rm -r "$work/root"
done

# Page by page, the entry that the mount shows.
same_entries() {
    local page raw
    local pages=(0x0 0x8700000 0x8800000 0x12345000 0x40000000 "$(($(value memory_end) - 0x1fd000))"
        "$(($(value memory_end) - 0x400000))" "$(($(value memory_end) - 0x3ff000))")
    for page in "${pages[@]}"; do
        echo "$page" >"$M/rmpsim/memory/rmpread" || return
        raw=$(sed -n 's/.*raw=//p' "$M/rmpsim/memory/rmpread")
        [ "$(rmp --page "$page" "$M" | sed -n 's/^raw: 0x0*\([0-9a-f]\+\) .*/0x\1/p')" = "$raw" ] || return
    done
}
check 'entries page by page' same_entries
state() { rmp --page "$1" "$M" | sed -n 's/^state: //p'; }
expect 'states by their names' 'HV-Fixed Firmware Guest-Invalid Reclaim' \
    "$(state 0xa0000) $(state 0x70000000) $(state "$((odd - 0x1ff001))") $(state "$((odd + 0x3fff))")"

whole() {
    rmp --json "$M" >"$work/json" && rmp --csv "$M" >"$work/csv" && python3 - "$work/json" "$work/csv" <<'PYTHON'
import csv, json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    found = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
assert found["version"] == 1
for region in found["regions"]:
    assert sum(owner["pages"] for owner in region["owners"]) + region["uncovered"] + region["unassigned"] == 262144
    told = [(r["owner"], r["asid"], int(r["pages"])) for r in rows if int(r["region"]) == region["region"]]
    owners = [(o["owner"], "" if o["asid"] is None else str(o["asid"]), o["pages"]) for o in region["owners"]]
    assert told[: len(owners)] == owners, region
placement = found["placement"]
assert placement["free"] == sum(region["free"] for region in found["regions"])
assert placement["free"] < placement["free_if_packed"] <= placement["regions"] - placement["pinned"]
assert found["moves"]["alone"] and not found["warnings"]
PYTHON
}
check 'JSON and CSV say the same, and all pages are somebody'"'"'s' whole
# Typed, with the same values as the text; the second page is inside a 2 MB entry.
typed() {
    local page
    for page in 0x8800000 "$(printf '%#x' $((odd - 0x1ff000)))" 0xa0000; do
        rmp --page "$page" "$M" >"$work/text" && rmp --page "$page" --json "$M" >"$work/json" || return
        python3 - "$work/json" "$work/text" <<'PYTHON' || return
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    found = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    text = dict(line.rstrip("\n").split(": ") for line in file)
assert type(found["version"]) is int and found["version"] == 1
for key in "assigned", "immutable", "vmsa", "validated", "locked":
    assert found[key] is (text[key] == "yes"), key
for key, number in ("asid", "asid"), ("assigned_subpages", "assigned subpages"):
    assert type(found[key]) is int and str(found[key]) == text[number], key
assert found["page_bytes"] == {"4 KB": 4096, "2 MB": 2 << 20}[text["size"]]
assert [found["page"], found["entry_at"], found["gpa"]] == [text["page"], text["entry at"], text["gpa"]]
assert " ".join(found["raw"]) == text["raw"] and found["state"] == text["state"] and found["changed"] is False
assert " ".join(found["vmpl_permissions"]) == text["vmpl permissions"] and len(found["vmpl_permissions"]) == 4
assert found["owner"] in ("rmp_table", "guest", "hv_fixed"), found["owner"]
assert (found["inside"] is None) == ("inside" not in text) and (found["inside"] or "") in text.get("inside", "")
PYTHON
    done
}
check 'an entry as JSON, typed' typed
check 'the page of a suffix' cmp <(rmp --page 1G "$M") <(rmp --page 0x40000000 "$M")
expect 'an end is exact' 3 "$(rmp --end 3G --json "$M" | python3 -c 'import json, sys
print(len(json.load(sys.stdin)["regions"]))')"
picture() { rmp --map "$M" | grep -qE '^free: 0 .*, held: 8' && rmp --svg "$work/svg" "$M"; }
check 'a picture, and one as SVG' picture
beyond=$((($(value memory_end) >> 30) + 2))G
expect 'memory without entries in it' "$(rmp --csv --end "$beyond" "$M" | grep -c ',uncovered,,262144,')" \
    "$(rmp --map --end "$beyond" "$M" | sed -n 's/^CC* not covered by the RMP: //p')"
check 'the SVG is XML' python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$work/svg"

# What is wrong, each with its remedy.
refused 'no registers' 64 'needs --rmp-base' "$RMPFS" rmp --memory "$work/root/dev/mem"
refused 'two hosts' 64 'give one of them' "$RMPFS" rmp --sysroot "$work/root" "$M"
refused 'a file that ends early' 1 'in the midst of the RMP' "$RMPFS" rmp --memory "$0" --rmp-base 0x100000 \
    --rmp-end 0x2fffff
refused 'not a mount' 1 'Give the mountpoint' "$RMPFS" rmp "$work"
refused 'no segment table' 1 'has no segments' "$RMPFS" rmp --memory "$work/root/dev/mem" --rmp-base 0x3f000000 \
    --rmp-cfg 0x2501
refused 'no RMP' 1 'RMP_BASE is 0' "$RMPFS" rmp --memory "$work/root/dev/mem" --rmp-base 0
refused 'no end' 1 'RMP_END is 0, .*--rmp-end or, if segmented, --rmp-cfg' "$RMPFS" rmp --memory \
    "$work/root/dev/mem" --rmp-base 0x3f000000
refused 'a register as rdmsr prints it' 64 'rmp-base.*rdmsr -c' "$RMPFS" rmp --memory "$work/root/dev/mem" \
    --rmp-base 8700000
refused 'no address' 64 'write an address such as 0x40000000, 1073741824 or 1G' "$RMPFS" rmp --page x "$M"
refused 'an end in a gigabyte' 64 'Write 1G or 2G' "$RMPFS" rmp --end 1500M "$M"
refused 'one in the first' 64 'whole gigabytes. Write 1G' "$RMPFS" rmp --end 3 "$M"
refused 'no gigabyte' 64 'Write 1G' "$RMPFS" rmp --end 0 "$M"
refused 'an end beyond all addresses' 64 '4096T' "$RMPFS" rmp --end 0xffffffffc0000000 "$M"
refused 'an end in a gigabyte, mounted' 64 '--memory 1500M: .*Write 1G or 2G' "$RMPFS" mount --engine rmp --rmp-image \
    "$0" --rmp-base 0x100000 --memory 1500M "$work/none"
refused 'a page without an entry' 1 'Default' "$RMPFS" rmp --page 0xffff00000000 "$M"
rm "$work/root/dev/mem"
refused 'no /dev/mem' 1 'there is no /dev/mem.*CONFIG_DEVMEM' "$RMPFS" rmp --sysroot "$work/root"
mkfifo "$work/root/dev/mem"
refused 'a FIFO in a tree' 1 'root/dev/mem: this has no offsets' "$RMPFS" rmp --sysroot "$work/root"
rm "$work/root/dev/cpu/0/msr"
mkfifo "$work/root/dev/cpu/0/msr"
refused 'another one' 1 '/dev/cpu/0/msr: .* at SYSCFG' "$RMPFS" rmp --sysroot "$work/root"
rm "$work/root/dev/cpu/0/msr"
refused 'no msr module' 1 'modprobe msr' "$RMPFS" rmp --sysroot "$work/root"
unmount_host

# A contiguous RMP has no RMPOPT, and so no blockers: entries are compared, and the gigabytes of firmware.
mount_host contiguous --pace instant --machine "$work/contiguous.yaml"
guest a 300M 4K packed
check 'contiguous: entries page by page' same_entries
expect 'contiguous: found by its registers' contiguous, "$(rmp "$M" | sed -n 's/^RMP: \([^ ]*\).*/\1/p')"
expect 'contiguous: the guest has its pages, and its VMSA' 76801 \
    "$(rmp "$M" | sed -n 's/.*asid 1 \([0-9]*\) pages.*/\1/p' | tail -n 1)"
unmount_host
finish

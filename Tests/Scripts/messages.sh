#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Messages after typing errors: each names what was given and what to write instead.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 iconv
plan 72
mount_host host --pace 0
mkdir "$work/empty"
E=$work/empty
# answer COMMAND...: the exit status and the first line of output, on either stream.
answer() {
    local status
    limit 20 "$@" >"$work/.said" 2>&1 </dev/null
    status=$?
    printf '%d %s\n' "$status" "$(head -n 1 "$work/.said")"
}

# --- Commands ---

# no_command WORD HINT: WORD is refused, with HINT after it, both as a command and after help.
no_command() {
    expect "$1 is no command" "64 Error: '$1': no such command$2" "$(answer "$RMPFS" "$1" "$E")"
    expect "help $1: neither" "64 Error: '$1': no such command$2" "$(answer "$RMPFS" help "$1")"
}
no_command mout '; did you mean mount?'
no_command unmout '; did you mean unmount?'
no_command satus '; did you mean status?'
no_command MOUNT ''
expect 'a word does not colour its message' "64 Error: '\\u{1b}[31mx': no such command" \
    "$(answer "$RMPFS" $'\e[31mx' "$E")"
expect 'nor ring a bell' "64 Error: Unexpected argument '\\u{7}'" "$(answer "$RMPFS" list $'\a')"
no_command nosuch ''
expect 'help' "0 OVERVIEW: Mounts an AMD RMPOPT host: the kernel's files over a faithful" "$(answer "$RMPFS" help)"
expect 'help mount' '0 OVERVIEW: Mount a simulated RMPOPT host.' "$(answer "$RMPFS" help mount)"
expect 'help umount, an alias' '0 OVERVIEW: Unmount an RMPOPT host.' "$(answer "$RMPFS" help umount)"

# --- Sizes ---

for command in mount run; do
    case $command in mount) last=("$E") ;; *) last=(-- true) ;; esac
    for size in 3TB:3T 3TiB:3T 64gb:64g 64Gib:64G 512b:512; do
        refused "$command --memory ${size%:*}" 64 "'${size%:*}' is invalid for '--memory <size>': write ${size#*:}$" \
            "$RMPFS" "$command" --memory "${size%:*}" "${last[@]}"
    done
    for size in 3X TB -1G '' 3T3; do
        refused "$command --memory '$size'" 64 'a number with K, M, G or T, such as 64G$' \
            "$RMPFS" "$command" "--memory=$size" "${last[@]}"
    done
done
refused 'mount -o memory=3TB' 64 "'3TB' is invalid for '--memory <size>': write 3T$" "$RMPFS" mount -o memory=3TB "$E"

# --- Options of mount(8) ---

# shows WORD...: version, CPUs and flags of a mount with these words.
shows() {
    limit 60 "$RMPFS" mount "$@" "$E" && sed -n 's/^series: //p' "$E/debug/rmpopt/series" \
        && find "$E/debug/rmpopt" -name 'cpu*' | wc -l && findmnt -rno OPTIONS "$E" | cut -d , -f 1 \
        && limit 20 "$RMPFS" unmount "$E"
}
expect 'mount -o series=v8' $'v8\n16\nrw' "$(shows -o series=v8)"
expect 'mount -o with words of both kinds' $'v2\n3\nro' "$(shows -o ro,series=v2 -ocpus=3,pace=0,noexec)"
expect 'a later word wins' $'v9\n2\nrw' "$(shows --cpus 5 -o series=v3 -o cpus=2 --series v9)"
refused 'mount -o series=v88' 64 "'v88' is invalid for '--series" "$RMPFS" mount -o series=v88 "$E"
expect 'run -o series=v8' 'series: v8' \
    "$(limit 60 "$RMPFS" run -o series=v8,cpus=2 -- head -n 1 /sys/kernel/debug/rmpopt/series 2>&1)"
if [ -e /sys/fs/selinux/enforce ]; then
    skip 'a context where there is no SELinux' 'here is one'
else
    refused 'a context where there is no SELinux' 1 'The word context=a:b:c:s0 is for SELinux, which is not here' \
        "$RMPFS" mount -o ro,context=a:b:c:s0 "$E"
fi

# --- map ---

for given in '--watch 0' '--watch=0.05' '--watch 3601' '--watch 5s' '--watch=-1e300' '--watch 1e300'; do
    # shellcheck disable=SC2086
    refused "map $given" 64 "^Error: $(tr '=' ' ' <<<"$given"): not 0.1 to 3600 seconds$" "$RMPFS" map $given "$M"
done
for file in /nonexistent/x.svg "$E"; do
    refused "map --svg $file" 1 "^rmpfs: $file: cannot be written: " "$RMPFS" map --svg "$file" "$M"
done
expect 'it leaves nothing beside it' '' "$(find "$work" -name '*.new')"
limit 20 "$RMPFS" map --svg "$work/map.svg" "$M"
titles='import sys, xml.etree.ElementTree as tree
print(next(tree.parse(sys.argv[1]).iter("{http://www.w3.org/2000/svg}title")).text)'
title=$(python3 -c "$titles" "$work/map.svg")
check 'the picture says host, series, time and what it shows' grep -qxE -e \
    "$M, series v1, 20[0-9-]{8} [0-9:]{8} UTC; 64 regions of 1 GB, 16 CPUs; optimized on all: 62 .*" <<<"$title"

# --- doctor ---

limit 60 "$RMPFS" doctor >"$work/doctor"
{ read -r verdict; read -r below; } <"$work/doctor"
check 'doctor begins with one sentence' grep -qxE 'This machine (can|cannot) mount[^.]*hosts[^.]*\.' <<<"$verdict"
expect 'and an empty line' '' "$below"
expect 'what does not apply is left out' 0 "$(grep -c 'N/A' "$work/doctor")"
all=$(limit 60 "$RMPFS" doctor --all)
expect 'but for --all' "$(sed -nE 's/.* ([0-9]+) not applicable$/\1/p' "$work/doctor")" "$(grep -c 'N/A' <<<"$all")"

# --- machine ---

file='cpus: {cores_per_package: 2}\nmemory: [{size: 4G}]\nx: 1\n'
# shellcheck disable=SC2059
printf "\\xef\\xbb\\xbf$file" >"$work/marked.yaml"
said="1 rmpfs: $work/marked.yaml:3: x: there is no such key"
check 'a byte order mark is not part of line 1' grep -qF "$said" <<<"$(answer "$RMPFS" machine "$work/marked.yaml")"
# shellcheck disable=SC2059
printf "$file" | sed '$d' | iconv -f UTF-8 -t UTF-16 >"$work/wide.yaml"
expect 'a file in UTF-16' '0 name: wide' "$(answer "$RMPFS" machine "$work/wide.yaml")"
mkdir "$work/machines"
printf '%s\n' 'name: "a\e[31mb"' 'description: "q\x07\u009b\u202e z\n2"' 'cpus: {cores_per_package: 2}' \
    'memory: [{size: 4G}]' >"$work/machines/"$'na\x1bme.yaml'
expect 'names and descriptions cannot steer a terminal' \
    $'name: a\\u{1b}[31mb\ndescription: q\\u{7}\\u{9b}\\u{202e} z 2' \
    "$(limit 20 "$RMPFS" machine "$work/machines/"$'na\x1bme.yaml' | head -n 2)"
expect 'nor do they in the list' '0 na\u{1b}me: q\u{7}\u{9b}\u{202e} z 2' \
    "$(RMPFS_MACHINES=$work/machines answer "$RMPFS" machine)"
expect 'nor does a file that is not there' '1 rmpfs: '"$work"'/a\u{1b}.yaml: No such file or directory' \
    "$(answer "$RMPFS" machine "$work/"$'a\x1b.yaml')"

# --- Guests ---

G=$M/rmpsim/guests/big
mkdir "$G"
echo 64G >"$G/memory"
expect 'a launch without room' ENOSPC "$(call write "$G/state" running)"
free=$(head -1 "$M/rmpsim/memory/free")
line=$(tail -n 1 "$M/debug/rmpopt/log" | cut -c 16-)
why="$((64 << 30)) bytes asked for, ([0-9]+) available to guests; ask for less or end a guest"
available=$(sed -nE "s/^rmpfs: guest big not launched: $why; rmpsim.memory.free shows what is free$/\1/p" <<<"$line")
check 'the log says how much is free, and where to read it' test -n "$available"
# Chunks for the guest's context and VMSA pages are set aside first.
check 'the estimate is right' test "$free" -ge "$available" -a $((free - available)) -le $((4 << 20))
check 'less memory than the host has' test "$free" -lt $((64 << 30))
call write "$G/state" running >"$work/.output"
expect 'once, however often it is tried' 1 "$(grep -c 'not launched' "$M/debug/rmpopt/log")"
echo 1G >"$G/memory"
expect 'ranges take suffixes' 14 "$(call write "$G/placement" 'ranges 10G-11G')"
expect 'and are shown in bytes' 'ranges 0x280000000-0x2c0000000' "$(cat "$G/placement")"
echo running >"$G/state"
expect 'the guest exists' 10 "$(cut -d , -f 2 "$G/regions" | tr -d '\n')"
mkdir "$M/rmpsim/guests/"$'b\na\x1b'
G=$M/rmpsim/guests/$'b\na\x1b'
echo 1G >"$G/memory"
echo 'ranges 10G-11G' >"$G/placement"
expect 'a launch over another guest' EBUSY "$(call write "$G/state" running)"
check 'the log has a line for it, without control characters' grep -qE \
    '^\[ .*\] rmpfs: guest b.*a.* not launched: .*0x280000000' "$M/debug/rmpopt/log"
expect 'and no other' 0 "$(LC_ALL=C grep -cE $'\x1b|^[^[]' "$M/debug/rmpopt/log")"
finish

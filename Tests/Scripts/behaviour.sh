#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What happens behind the files: passes, guests, refusals. Time advances only by writes to rmpsim/clock.
# TIMEOUT: 120

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

plan 134

mount_host host --pace 0
F=$M/rmpopt T=$M/debug/rmpopt/rmpopt-table G=$M/rmpsim/guests K=$M/rmpsim/clock

# settle: lets every pass and every guest teardown finish.
settle() { echo +1min >"$K"; }
# optimized: the regions that are optimized on all CPUs, as ranges; lost: those of 0 to 63 optimized on none.
optimized() { sed -nE 's/^Memory @ *([0-9]+)GB: CPU\(s\): 0-15$/\1/p' "$T" | ranges; }
lost() { sed -nE 's/^Memory @ *([0-9]+)GB: CPU\(s\): none$/\1/p' "$T" | grep -vx 64 | ranges; }
ranges() {
    awk 'NR == 1 { a = b = $1; next } $1 == b + 1 { b = $1; next } { printf "%s ", a == b ? a : a "-" b; a = b = $1 }
        END { if (NR) print (a == b ? a : a "-" b) }'
}
# guest NAME MEMORY: a running guest.
guest() { mkdir "$G/$1" && echo "$2" >"$G/$1/memory" && echo running >"$G/$1/state"; }
reenable() { cat "$F/reenable"; }
action() { cat "$F/action"; }
yes='RMP optimization in progress: Yes' no='RMP optimization in progress: No'

# --- A pass ---

expect 'after boot all is optimized but the RMP and firmware' '0 4' "$(lost)"
expect 'after boot no pass is running' "0 $no" "$(reenable) $(action)"
check 'a guest of 20 GB starts' guest vm0 20G
expect 'its launch takes its regions' '0-20' "$(lost)"
expect 'no other region is lost' '21-63' "$(optimized)"
others() { for cpu in 0 7 8 15; do grep -c checked "$M/debug/rmpopt/cpu$cpu"; done | paste -sd ' '; }
expect 'it takes them from every CPU' '21 21 21 21' "$(others)"
check 'the guest is stopped' call write "$G/vm0/state" 'stopped\n'
expect 'its pages are freed over time' ending "$(cat "$G/vm0/state")"
echo +100us >"$K"
expect 'not all are back yet' ending "$(cat "$G/vm0/state")"
settle
expect 'then it is stopped' stopped "$(cat "$G/vm0/state")"
expect 'its end alone gives no region back' '0-20' "$(lost)"

check 'echo 1 > reenable' call write "$F/reenable" '1\n'
expect 'a pass is running' "1 $yes" "$(reenable) $(action)"
expect 'its first region takes time' '0-20' "$(lost)"
echo +1ms >"$K"
expect 'it is still running after 1 ms' "1 $yes" "$(reenable) $(action)"
# At most 0.1 ms per region: the time of 8 to 21 regions has passed.
halfway=$(lost)
check 'a reader sees it half done: the first regions are back, the last ones are not' \
    grep -qxE '0 4 ([6-9]|1[0-9])-20|0 4-20|0 [3-4]-20' <<<"$halfway"
expect 'every CPU shows the same' "$(yes $(($(grep -c none "$T") - 1)) | head -n 4 | paste -sd ' ')" \
    "$(others)"
check 'a second 1 is accepted' call write "$F/reenable" '1\n'
expect 'and changes nothing' "$halfway" "$(lost)"
echo +50ms >"$K"
expect 'the pass ends' "0 $no" "$(reenable) $(action)"
expect 'everything is optimized again' '0 4' "$(lost)"
echo +50ms >"$K"
expect 'the second 1 was absorbed: no other pass follows' "0 $no" "$(reenable) $(action)"
# duration [AGAIN]: the half milliseconds that a pass takes, with another 1 written in the middle.
duration() {
    local steps=0
    echo 1 >"$F/reenable"
    while [ "$(reenable)" = 1 ] && [ "$steps" -lt 100 ]; do
        echo +500us >"$K"
        steps=$((steps + 1))
        if [ $# = 1 ] && [ "$steps" = 5 ]; then echo 1 >"$F/reenable"; fi
    done
    echo "$steps"
}
alone=$(duration)
check 'a pass takes time' test "$alone" -gt 10 -a "$alone" -lt 100
expect 'nor does another 1 in the middle make it longer' "$alone" "$(duration again)"
check 'echo 1 > action' call write "$F/action" '1\n'
expect 'starts the same' "1 $yes" "$(reenable) $(action)"
settle

# --- A launch in the middle of a pass ---

echo 1 >"$F/reenable"
echo +2ms >"$K"
check 'a guest starts during a pass' call write "$G/vm0/state" running
settle
expect 'the pass does not give its regions back' '0-20' "$(lost)"
echo 1 >"$F/reenable"
settle
expect 'nor does a pass while it runs' '0-20' "$(lost)"
check 'rmdir of the running guest' call rmdir "$G/vm0"
expect 'it is gone at once' ENOENT "$(call stat "$G/vm0/state")"
expect 'its name is free at once' 0 "$(call mkdir "$G/vm0")"
expect 'a new guest of that name is another guest' "0 stopped" "$(cat "$G/vm0/memory" "$G/vm0/state" | paste -sd ' ')"
settle
echo 1 >"$F/reenable"
settle
expect 'its regions come back' '0 4' "$(lost)"
rmdir "$G/vm0"

# --- Guests that share a region ---

guest one 1536M
expect 'the first guest takes two regions' '0-1 4' "$(lost)"
guest two 1536M
expect 'the second shares one with it' '0-4' "$(lost)"
echo stopped >"$G/one/state"
settle
echo 1 >"$F/reenable"
settle
expect 'the shared region stays lost when one of them ends' '0-4' "$(lost)"
rmdir "$G/two"
settle
echo 1 >"$F/reenable"
settle
expect 'and comes back when both have ended' '0 4' "$(lost)"
rmdir "$G/one"

# --- Values ---

# store FILE TEXT OUTCOME: a write's exact outcome; nothing but a 1 starts a pass.
store() {
    expect "${1##*/}: '$2'" "$3" "$(call write "$1" "$2")"
}
for file in "$F/reenable" "$F/action"; do
    while read -r outcome text; do store "$file" "$text" "$outcome"; done <<'END'
EINVAL 0
EINVAL 2
EINVAL -1
EINVAL 0x1
EINVAL x
EINVAL \n
EINVAL 1\n\n
EINVAL \x201
EINVAL 1\x20
EINVAL 4294967295
ERANGE 4294967296
ERANGE 99999999999999999999999
END
    expect "${file##*/}: none of them started a pass" 0 "$(reenable)"
    for text in '+1' '01' '1\0junk'; do
        length=$(printf '%b' "$text" | wc -c)
        store "$file" "$text" "$length"
        expect "${file##*/}: '$text' did" 1 "$(reenable)"
        settle
    done
done
expect 'description cannot be opened for writing' EACCES "$(call write "$F/description" 1)"
if [ "$(id -u)" = 0 ]; then refusal=EINVAL; else refusal=EACCES; fi
expect 'the table can, by root, and refuses each write' "$refusal" "$(call write "$T" 1)"

mkdir "$G/g"
for text in 64K 1G 0x10000 16777216 +4096 2g; do
    store "$G/g/memory" "$text" "$(printf %s "$text" | wc -c)"
done
expect 'memory reads in bytes' 2147483648 "$(cat "$G/g/memory")"
while read -r outcome text; do store "$G/g/memory" "$text" "$outcome"; done <<'END'
EINVAL abc
EINVAL -1
EINVAL 5000
EINVAL 010
EINVAL 1E
EINVAL 1GB
EINVAL \n
ERANGE 99999999999999999999
ERANGE 17592186044416P
ENOSPC 65G
END
expect 'memory is what it was' 2147483648 "$(cat "$G/g/memory")"
store "$G/g/state" ending EINVAL
store "$G/g/state" Running EINVAL
store "$G/g/state" stopped 7
store "$G/g/state" 'running\n' 8
store "$G/g/state" running 7
expect 'memory of a running guest: EBUSY' EBUSY "$(call write "$G/g/memory" 1G)"
echo stopped >"$G/g/state"
expect 'memory of an ending guest: EBUSY' EBUSY "$(call write "$G/g/memory" 1G)"
expect 'an ending guest cannot start: EBUSY' EBUSY "$(call write "$G/g/state" running)"
settle
mkdir "$G/none"
expect 'a guest without memory cannot start: EINVAL' EINVAL "$(call write "$G/none/state" running)"
echo 40G >"$G/none/memory"
echo 40G >"$G/g/memory"
echo running >"$G/g/state"
expect 'a guest that does not fit beside another cannot start: ENOSPC' ENOSPC "$(call write "$G/none/state" running)"
expect 'and is still stopped' stopped "$(cat "$G/none/state")"
rmdir "$G/g" "$G/none"
settle

for text in 250ms + +5 '+5 s' +1w +-1s; do store "$K" "$text" EINVAL; done
store "$K" +99999999999999999999s ERANGE
store "$K" +9999999999h ERANGE
before=$(cat "$K")
for step in +1ns +1us +1ms +1s +1min +1h +1d +0.5s; do echo "$step" >"$K"; done
expect 'clock: each unit' 90061501001001 $(($(cat "$K") - before))

# --- Folders and names ---

expect 'mkdir in rmpopt: EPERM' EPERM "$(call mkdir "$F/x")"
expect 'mkdir in debug: EPERM' EPERM "$(call mkdir "$M/debug/x")"
mkdir "$G/g"
expect 'mkdir of an existing guest: EEXIST' EEXIST "$(call mkdir "$G/g")"
expect 'mkdir in a guest: EPERM' EPERM "$(call mkdir "$G/g/x")"
expect 'rmdir of a missing guest: ENOENT' ENOENT "$(call rmdir "$G/x")"
expect 'rmdir of guests: EPERM' EPERM "$(call rmdir "$G")"
expect 'unlink of an attribute: EPERM' EPERM "$(call unlink "$G/g/state")"
expect 'an attribute held open outlives its guest, and says so' ENOENT "$(python3 - "$G/g" <<'END'
import errno, os, sys
descriptor = os.open(sys.argv[1] + "/state", os.O_RDONLY)
os.rmdir(sys.argv[1])
try:
    print(os.read(descriptor, 100))
except OSError as error:
    print(errno.errorcode[error.errno])
END
)"
odd=(' ' '-n' '...' $'a\nb' $'\xff\xfe' 'Größe' '\' "$(printf 'x%.0s' {1..255})")
names() { python3 -c 'import os, sys; print(sorted(os.listdir(os.fsencode(sys.argv[1]))))' "$G"; }
for name in "${odd[@]}"; do mkdir "$G/$name"; done
expect 'names of odd bytes are listed as they are' \
    "$(python3 -c 'import os, sys; print(sorted(map(os.fsencode, sys.argv[1:])))' "${odd[@]}")" "$(names)"
expect 'and work' "${#odd[@]}" "$(for name in "${odd[@]}"; do cat "$G/$name/state"; done | grep -c stopped)"
for name in "${odd[@]}"; do rmdir "$G/$name"; done
expect 'and go' '[]' "$(names)"
expect 'a name of 256 bytes: ENAMETOOLONG' ENAMETOOLONG "$(call mkdir "$G/$(printf 'x%.0s' {1..256})")"
unmount_host

# --- Other paces ---

mount_host instant --pace instant
G=$M/rmpsim/guests
guest now 8G
echo stopped >"$G/now/state"
expect 'pace instant: the end of a guest is over when the write returns' stopped "$(cat "$G/now/state")"
echo 1 >"$M/rmpopt/reenable"
expect 'pace instant: so is a pass' 0 "$(cat "$M/rmpopt/reenable")"
T=$M/debug/rmpopt/rmpopt-table
expect 'pace instant: which has done its work' '0 4' "$(lost)"
unmount_host

mount_host live
G=$M/rmpsim/guests
guest now 8G
echo stopped >"$G/now/state"
check 'pace 1: a guest ends by itself' limit 20 "$RMPFS" wait "$M" --guest now=stopped
echo 1 >"$M/rmpopt/reenable"
check 'pace 1: a pass ends by itself' limit 20 "$RMPFS" wait "$M"
T=$M/debug/rmpopt/rmpopt-table
expect 'pace 1: and has done its work' '0 4' "$(lost)"
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every file of a mount obeys the rules of its kind: it answers some 170 calls like another file of that kind, which is
# in the recordings of a real kernel, whatever it contains. If this machine has a debugfs, its own files are checked
# too. As root, everything is also done as an ordinary user.
# TIMEOUT: 120
# shellcheck disable=SC2119,SC2317 # unmount_host takes the last one; functions are called by name

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

kinds() { limit 60 python3 "$top/Tests/Scripts/kinds.py" "$@"; }
stranger=65534
users=('')
if [ "$(id -u)" = 0 ]; then users=('' "--user $stranger"); fi
plan $((5 * ${#users[@]} + 4))

mount_host host --cpus 4 --memory 8G --pace 0
mkdir "$M/rmpsim/guests/g" "$M/rmpsim/faults/f"
mapfile -t debug < <(find "$M/debug" -type f ! -name cpu0)
mapfile -t writable < <(find "$M/rmpopt" "$M/rmpsim" -type f -perm -200 ! -name reenable)
mapfile -t constant < <(find "$M/rmpopt" "$M/rmpsim" -type f ! -perm -200 ! -name description)
check 'there are files of each kind' [ "${#debug[@]}" -ge 9 -a "${#writable[@]}" -ge 25 -a "${#constant[@]}" -ge 4 ]

for user in "${users[@]}"; do
    who=${user:+uid $stranger}
    who=${who:-the one who mounted}
    # A fault's path pattern accepts any text.
    # shellcheck disable=SC2086 # two words or none
    {
        check "$who: files below debug/" kinds $user "$M/debug/rmpopt/cpu0" "${debug[@]}"
        check "$who: attributes" kinds $user --except 'position after' --except 'refused *' \
            "$M/rmpopt/reenable" "${writable[@]}"
        check "$who: attributes that cannot be written" kinds $user "$M/rmpopt/description" "${constant[@]}"
    }
    refusing=()
    for file in "${writable[@]}"; do [ "$file" = "$M/rmpsim/faults/f/path" ] || refusing+=("$file"); done
    # shellcheck disable=SC2086
    check "$who: attributes and their errors" kinds $user "$M/rmpopt/reenable" "${refusing[@]}"
    # Answers that differ because of FUSE are listed in Tests/Oracle/allow.json. A locked-down kernel opens no file for
    # writing.
    same=(--look-only --except 'open WRONLY*' --except 'open RDWR*' --except 'open access mode 3*' --except 'refused *'
        --except 'position after' --except 'pwrite*' --except 'lseek 0 2' --except 'preadv2*' --except 'ioctl FIBMAP'
        --except 'fcntl O_DIRECT' --except 'mmap *private' --except 'epoll' --except 'getxattr system*')
    kernel=$work/debugfs
    mkdir -p "$kernel"
    if [ "$(id -u)" = 0 ] && mount -t debugfs none "$kernel" 2>/dev/null && [ -r "$kernel/sleep_time" ]; then
        # shellcheck disable=SC2086
        check "$who: like the kernel's debugfs" kinds $user "${same[@]}" "$kernel/sleep_time" "$M/debug/rmpopt/cpu0"
    else
        skip "$who: like the kernel's debugfs" 'no debugfs, or no sleep_time in it'
    fi
    umount "$kernel" 2>/dev/null
done

# A file of another kind is reported.
different() { ! kinds "$@" >"$work/told" && grep -q 'differences$' "$work/told"; }
check 'an attribute is not a debugfs file' different "$M/debug/rmpopt/cpu0" "$M/rmpopt/reenable"
check 'a writable file differs from a read-only one' different "$M/rmpopt/description" "$M/rmpopt/reenable"
check 'it unmounts' unmount_host
finish

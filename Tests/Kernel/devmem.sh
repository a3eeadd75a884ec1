#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An RMP in a real kernel's memory, read through the real /dev/mem: a reserved range holds the image of a simulated
# host. `rmpfs rmp` and a mount of --engine rmp say of it what they say of the image as a file; where the kernel keeps
# /dev/mem closed, they say why.
# TIMEOUT: 700

# shellcheck source=Tests/Kernel/lib.bash disable=SC2154 # lib.bash sets work and guest.
. "$(dirname "$0")/lib.bash"
need python3
plan 15

# The image: guests in both sizes of entry, 2 GB, whose RMP lies in 16 MB from 0x8700000 on.
mount_host host --pace instant --cpus 4 --memory 2G
guests=$M/rmpsim/guests
mkdir "$guests/a" "$guests/b"
echo 300M >"$guests/a/memory"
echo 4K >"$guests/b/page_size"
echo 100M >"$guests/b/memory"
echo 'ranges 0x40000000-0x46400000' >"$guests/b/placement"
for one in a b; do echo running >"$guests/$one/state"; done
value() { printf '0x%x' "$(sed -n "s/^$1 //p" "$M/rmpsim/memory/registers")"; }
base=$(value rmp_base) cfg=$(value rmp_cfg)
limit 60 cp --sparse=always "$M/rmpsim/memory/image" "$work/image"
registers=(--rmp-base "$base" --rmp-cfg "$cfg" --end 2G)
mkdir -p "$guest/root/dev/cpu/0" "$guest/root/sys/kernel" "$guest/root/proc" "$guest/mnt"
python3 - "$work/image" "$base" "$work/piece" <<'PYTHON'
import sys
image, base, piece = sys.argv[1], int(sys.argv[2], 0), sys.argv[3]
with open(image, "rb") as source, open(piece, "wb") as target:
    source.seek(base)
    target.write(source.read(16 << 20))
PYTHON
# What an RMP without its place in a machine says; two errors would be equal as well.
limit 60 "$RMPFS" rmp --memory "$work/image" "${registers[@]}" >"$guest/wanted" 2>&1
check 'the file has an RMP' grep -q '^pages: ' "$guest/wanted"
limit 60 "$RMPFS" rmp --memory "$work/image" "${registers[@]}" --page 0x40001000 >"$guest/page" 2>&1
sed 's/guest [^ ]* (/guest ? (/g' "$M/debug/rmpopt/blockers" | sort >"$guest/blockers"
unmount_host

add_module fuse
add_module msr
add_program "$RMPFS"
# A tree that is this kernel, with the registers of the other host.
ln -s /dev/mem "$guest/root/dev/mem"
ln -s /proc/iomem "$guest/root/proc/iomem"
ln -s /sys/kernel/security "$guest/root/sys/kernel/security"
cat >"$guest/test" <<END
. /lib/guest.sh
base=$base cfg=$cfg
registers="--rmp-base $base --rmp-cfg $cfg --end 2G"
END
cat >>"$guest/test" <<'END'
# register NUMBER VALUE: as msr(4) has them, every eight bytes one. This processor has none of them.
register() {
    for shift in 0 8 16 24 32 40 48 56; do printf "\\$(printf %03o $(($2 >> shift & 255)))"; done \
        | dd of=/root/dev/cpu/0/msr bs=8 seek=$(($1)) conv=notrunc 2>/dev/null
}
register 0xc0010010 0x3880000
register 0xc0010132 "$base"
register 0xc0010133 0
register 0xc0010136 "$cfg"
mount -t securityfs securityfs /sys/kernel/security
[ ! -e /lib/fuse.ko ] || insmod /lib/fuse.ko 2>/dev/null
if grep -q lockdown=integrity /proc/cmdline; then
    rmpfs rmp --sysroot /root >/out/said 2>&1
    same 'locked down: the end' 1 "$?"
    check 'locked down: the reason' grep -q 'locked down (integrity), which closes /dev/mem' /out/said
    check 'and the remedy' grep -q 'Boot without lockdown=' /out/said
    exit
fi
check 'the range is reserved' grep -q '^08700000-096fffff : Reserved' /proc/iomem
rmpfs rmp --memory /dev/mem $registers >/out/file 2>&1
check 'rmp reads /dev/mem as it reads the file' cmp /wanted /out/file
rmpfs rmp --memory /dev/mem $registers --threads 2 >/out/two 2>&1
check 'with two threads' cmp /wanted /out/two
rmpfs rmp --memory /dev/mem $registers --page 0x40001000 >/out/page 2>&1
check 'one entry' cmp /page /out/page
rmpfs rmp --sysroot /root --end 2G >/out/host 2>&1
check 'as a host, with registers and /dev/mem' cmp /wanted /out/host

# A mount, for a user who may not read /dev/mem.
check 'a mount over it' rmpfs mount --engine rmp --sysroot /root --memory 2G -o uid=1000,gid=1000,mode=750 /mnt
echo 'user:x:1000:1000::/:/bin/sh' >>/etc/passwd
user() { su user -c "$*"; }
same 'another user reads it' 'Memory @  0GB: held Memory @  1GB: held' \
    "$(user cat /mnt/debug/rmpopt/cpu0 | paste -sd ' ')"
check 'and who holds the gigabytes' eval 'user sort /mnt/debug/rmpopt/blockers | cmp - /blockers'
check 'but not /dev/mem' eval '! user head -c 1 /dev/mem'
check 'it is unmounted' rmpfs unmount /mnt

# RAM is closed, whoever asks.
rmpfs rmp --memory /dev/mem --rmp-base 0x10000000 --rmp-cfg 0x2501 >/out/ram 2>&1
check 'RAM stays closed' grep -q 'Operation not permitted\|EPERM' /out/ram
END
line='console=ttyS0 panic=-1 oops=panic quiet loglevel=4 mitigations=off rcupdate.rcu_cpu_stall_timeout=200'
load=(-device "loader,file=$work/piece,addr=$base,force-raw=on")
# shellcheck disable=SC2016 # memmap=SIZE$START: no variable.
boot 300 "${load[@]}" -append "$line "'memmap=16M$0x8700000'
results
boot 300 "${load[@]}" -append "$line lockdown=integrity"
results
finish

# SPDX-License-Identifier: Apache-2.0
# Shared by the tests that boot a kernel in QEMU: a guest's files, one boot, and its results as KTAP.
#
# scripts/test-kernel runs these tests, for each kernel anew, and says in the environment:
#
#   KERNEL_ROOT      the unpacked packages of a kernel: boot/, lib/modules/ and its headers
#   KERNEL_VERSION   its version, as in /lib/modules
#   KERNEL_MODULES   the folder with rmpopt.ko and rmpopt_emulator.ko for it
#   KERNEL_QUICK     not empty: the short form
#   KERNEL_BUSYBOX   a static busybox
#   RMPFS            the program
#
# A test puts files into $guest, whose /test it then boots. That script has Tests/Kernel/guest.sh at /lib/guest.sh.
# shellcheck shell=bash

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "${BASH_SOURCE[0]}")/../Scripts/lib.bash"

[ -n "${KERNEL_ROOT:-}" ] || skip_all "no kernel to boot: scripts/test-kernel runs this"
need qemu-system-x86_64 cpio gzip xz

kernel=$top/Tests/Kernel
guest=$work/guest
mkdir -p "$guest"/{bin,lib,out,usr/bin}
cp "$KERNEL_BUSYBOX" "$guest/bin/busybox"
install -m 755 "$kernel/guest-init" "$guest/init"
cp "$kernel/guest.sh" "$guest/lib/guest.sh"

# add_module NAME...: modules of the kernel's own; those that are built in have none.
add_module() {
    local name file
    for name; do
        file=$(find "$KERNEL_ROOT/lib/modules/$KERNEL_VERSION" "$KERNEL_ROOT/usr/lib/modules/$KERNEL_VERSION" \
            -name "$name.ko*" 2>/dev/null | head -n 1)
        case $file in
        *.ko) cp "$file" "$guest/lib/" ;;
        *.ko.xz) xz -dc "$file" >"$guest/lib/$name.ko" ;;
        esac
    done
}
add_module configfs

# add_program FILE: a program with the libraries that it needs.
add_program() {
    local library
    install -m 755 "$1" "$guest/usr/bin/${1##*/}"
    for library in $(ldd "$1" | grep -oE '/[^ ]+'); do install -D "$library" "$guest$library"; done
}

# boot SECONDS [QEMU OPTION...]: boots $guest, with 2 CPUs and 1 GB unless the options say otherwise; leaves what is in
# the guest's /out in $work/out.
boot() {
    local seconds=$1 image=$KERNEL_ROOT/boot/vmlinuz-$KERNEL_VERSION line
    shift
    rm -rf "$work/out" && mkdir "$work/out"
    (cd "$guest" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz" || return
    line='console=ttyS0 panic=-1 oops=panic quiet loglevel=4 mitigations=off rcupdate.rcu_cpu_stall_timeout=200'
    # Without merging, /proc/slabinfo shows what each kind of object is.
    line+=" slab_nomerge memhp_default_state=online watchdog_thresh=60 ${KERNEL_QUICK:+test.quick=1}"
    # No KVM: the processor's own RMPOPT or CLZERO must not get into the test.
    nice timeout -k 5 "$seconds" qemu-system-x86_64 -accel tcg,thread=multi -cpu max,vendor=AuthenticAMD -smp 2 \
        -m 1024 -display none -monitor none -no-reboot -nic none -kernel "$image" -initrd "$work/initrd.gz" \
        -append "$line" -serial "file:$work/console" -serial "file:$work/out.tgz" "$@" >"$work/qemu.log" 2>&1
    local status=$?
    if tar -C "$work/out" -xzf "$work/out.tgz" 2>>"$work/qemu.log" && [ -e "$work/out/ended" ]; then return; fi
    { echo "the guest has not ended as it should; status of QEMU: $status"; cat "$work/qemu.log"
        tail -n 40 "$work/console" | tr -d '\r'; } >"$work/.output"
    return 1
}

# results: the guest's checks as tests of this one; on a boot that failed, one that says why.
results() {
    local line name
    if [ ! -s "$work/out/results" ]; then
        not_ok 'the guest has booted' "$work/.output"
        return
    fi
    : >"$work/.output"
    while IFS= read -r line; do
        name=${line#* }
        case $line in
        ok\ *) ok "$name"; : >"$work/.output" ;;
        failed\ *) not_ok "$name" "$work/.output"; : >"$work/.output" ;;
        *) printf '%s\n' "$line" >>"$work/.output" ;;
        esac
    done <"$work/out/results"
}

# no_splat: since its boot the kernel has complained of nothing.
no_splat() {
    ! sed '1,/Run \/init as init process/d' "$work/out/dmesg" | grep -E \
        'BUG|WARNING|Oops|RIP: |Call Trace|refcount_t|scheduling while|stall|lockup|blocked for more|leak'
}

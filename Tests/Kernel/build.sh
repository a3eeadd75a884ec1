#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The module's own Makefile, for another kernel than the running one; and headers as later kernels have them.
# TIMEOUT: 300

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/../Scripts/lib.bash"
[ -n "${KERNEL_ROOT:-}" ] || skip_all "no kernel to build for: scripts/test-kernel runs this"
need make modprobe
plan 4

headers=$KERNEL_ROOT/usr/src/linux-headers-$KERNEL_VERSION
# Without types for the BTF of modules, which are in no package that we fetch.
build() { nice make -C "$work/module" KDIR="$headers" CONFIG_DEBUG_INFO_BTF_MODULES= "$@"; }
cp -r "$top/module" "$work/module"
check 'make' build
check 'make install' build INSTALL_MOD_PATH="$work/root" install
found() { modprobe -d "$work/root" -S "$KERNEL_VERSION" --show-depends rmpopt | grep 'insmod .*/rmpopt\.ko'; }
check 'modprobe finds it for that kernel' found

# Later, asm/processor.h does not have cpuid_eax() any more, but asm/cpuid/api.h.
processor=$(grep -ls '#include <asm/cpuid.h>' "$headers-common"/arch/x86/include/asm/processor.h \
    "${headers%-amd64}-common"/arch/x86/include/asm/processor.h)
later() {
    mkdir -p "$work/later/asm/cpuid"
    sed '/#include <asm\/cpuid.h>/d' "$processor" >"$work/later/asm/processor.h"
    cp "${processor%/*}/cpuid.h" "$work/later/asm/cpuid/api.h"
    # Before the kernel's own folders.
    build clean && build NOSTDINC_FLAGS="-nostdinc -I$work/later"
}
if [ -n "$processor" ]; then
    check 'it builds with the headers of later kernels' later
else
    skip 'it builds with the headers of later kernels' 'this kernel has no asm/cpuid.h to move'
fi
finish

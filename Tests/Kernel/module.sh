#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kernel module, unchanged, on a kernel in QEMU whose RMPOPT the module rmpopt_emulator emulates: when it loads and
# executes, its files, its passes, the kselftests; then load, hotplug and unloading, without a splat or a leak.
# TIMEOUT: 1500

# shellcheck source=Tests/Kernel/lib.bash
. "$(dirname "$0")/lib.bash"
plan 83

for program in reader rewind; do
    cc -O1 -static -Wall -Wextra -o "$guest/bin/$program" "$kernel/$program.c" || exit
done
cp "$KERNEL_MODULES"/rmpopt.ko "$KERNEL_MODULES"/rmpopt_emulator.ko "$guest/lib/"
mkdir "$guest/kselftest"
cp "$top"/scripts/kselftest/*.sh "$guest/kselftest/"
cp "$kernel/module-guest.sh" "$guest/test"
# 3 GB without a hole: three regions, and the line of the end.
boot 1400 -m 3072
results
check 'the kernel has complained of nothing' no_splat
expect 'each fault of RMPOPT has left a line, or was one of many' yes \
    "$(grep -q 'rmpopt: RMPOPT faulted on CPU [01] although RMPOPT_EN was set' "$work/out/dmesg" && echo yes)"
finish

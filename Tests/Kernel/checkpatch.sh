#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The C of the module and of its emulator has the kernel's style, as the kernel's own checker sees it.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/../Scripts/lib.bash"
[ -n "${KERNEL_CHECKPATCH:-}" ] || skip_all 'no checkpatch.pl: scripts/test-kernel fetches it, without --quick'
plan 1
cd "$top" || exit
clean() {
    perl "$KERNEL_CHECKPATCH" --no-tree --strict --no-summary --terse --file module/*.[ch] module/Kbuild \
        module/Makefile Tests/Kernel/emulator/*.c Tests/Kernel/emulator/Kbuild
}
check 'checkpatch.pl --strict finds nothing' clean
finish

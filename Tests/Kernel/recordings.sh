#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The module's files answer as the recorded ones did, call by call: action, description and reenable as attributes of
# configfs, rmpopt-table as a sequence file. The emulator shows the recorded table, on as many CPUs and regions.
# TIMEOUT: 600

# shellcheck source=Tests/Kernel/lib.bash
. "$(dirname "$0")/lib.bash"
plan 3

cc -O1 -static -pthread -w -o "$guest/bin/probe" "$top/Tests/Oracle/probe.c" || exit
cp "$KERNEL_MODULES"/rmpopt.ko "$KERNEL_MODULES"/rmpopt_emulator.ko "$guest/lib/"
# The cases of these files and their folder in configfs.
selection=(--only action --only description --only reenable --only table --only .rmpopt --only async.)
cat >"$guest/test" <<END
. /lib/guest.sh
roots="/sys/kernel/config /sys/kernel/debug"
load recorded=1 slow_us=25000 || exit
cat "\$debug/rmpopt-table" >/out/table
echo 1 >"\$emulator/scans"
probe --timeout 20 ${selection[*]} --skip threads.action \$roots >/out/probe.jsonl 2>/out/err
# Sixteen threads that ask for the same pass take their time on a machine with few processors.
echo 130000 >"\$emulator/slow_us"
probe --timeout 30 --only threads.action \$roots >>/out/probe.jsonl 2>>/out/err
same 'no RMPOPT was executed that must not be' 0 "\$(cat "\$emulator/wrong")"
END
# The recorded table has 8 CPUs and 16 lines: here, 15 GB end at address 15G, as 3 of 14 GB are below 4G.
boot 500 -smp 8 -m 14336
results
expect_file 'the table is the recorded one to the byte' "$top/Tests/Oracle/golden/content-6.1-n16/rmpopt.rmpopt-table" \
    cat "$work/out/table"
compare() {
    python3 "$top/Tests/Oracle/diff.py" "$work/out/probe.jsonl" "${selection[@]}" --golden \
        "$top/Tests/Oracle/golden/real-kernel-6.1.jsonl" --allow "$kernel/recordings.json" >"$work/differences"
    grep -v ^EXTRA "$work/differences"
    # diff.py says nothing of cases that are missing where some were chosen. Allowed: a rename into a folder that is
    # not here; and 6.12 knows one more bit of statx and refuses a bad ACL with another error than 6.1.
    case $KERNEL_VERSION in
    6.1.*) grep -q '^cases 383: pass 379, allowed 4, fail 0,' "$work/differences" ;;
    *) grep -q '^cases 383: pass 372, allowed 11, fail 0,' "$work/differences" ;;
    esac
}
check 'every case of these files is as recorded' compare
finish

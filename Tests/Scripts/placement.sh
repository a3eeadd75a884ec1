#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# docs/placement.md in short form: each of its scenarios runs, for six hours instead of a week, and has what the page's
# tables name. `scripts/placement` compares every number; it takes minutes.
# TIMEOUT: 300

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 2

check 'the scenarios of docs/placement.md' limit 280 "$top/scripts/placement" --short --out "$work/out" "$RMPFS"
check 'no placement beats the bound' python3 - "$work/out" <<'END'
import csv, glob, sys
rows = [row for file in glob.glob(sys.argv[1] + "/*/results.csv") for row in csv.DictReader(open(file))]
assert len(rows) > 50
for row in rows:
    assert float(row["fast_share"]) <= float(row["optimum_share"]) + 1e-6, row
END
finish

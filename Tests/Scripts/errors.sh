#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every error in the tables of docs/interface.md, rmpsim.md and faults.md is provoked on a real mount.
# TIMEOUT: 300

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
finished=yes
limit 280 python3 "$top/Tests/Scripts/errors.py" "$RMPFS" "$work" | grep -v '^KTAP version'
exit "${PIPESTATUS[0]}"

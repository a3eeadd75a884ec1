#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `rmpfs doctor` on this machine and on trees of files: exit status, hints that work, JSON as documented, mounts in
# every state.
# TIMEOUT: 120

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 15

doctor() { limit 30 "$RMPFS" doctor "$@"; }
# state NAME [ARGUMENT...]: the result of a check.
state() {
    local name=$1
    shift
    doctor "$@" | sed -n "s/^\[ \(....\) \] $name: .*/\1/p"
}
# fails NAME STATUS PATTERN [ARGUMENT...]: doctor exits with STATUS and prints a matching line on either stream.
fails() {
    local name=$1 wanted=$2 pattern=$3 status
    shift 3
    doctor "$@" >"$work/.output" 2>&1
    status=$?
    if [ "$status" = "$wanted" ] && grep -qE -- "$pattern" "$work/.output"; then ok "$name"; return; fi
    echo "exit status $status, expected $wanted and a line like $pattern" >>"$work/.output"
    not_ok "$name" "$work/.output"
}
is_dead() { ! stat "$1" 2>/dev/null; }

mkdir "$work/free"
check 'a usable mount point passes' doctor "$work/free"
check 'what doctor accepts can be mounted' limit 60 "$RMPFS" mount "$work/free"
fails 'a live mount is reported, with the remedy' 1 "rmpfs unmount '$work/free'" "$work/free"
expect 'what follows from it is skipped' 'SKIP' "$(state mount-point-empty "$work/free")"
expect 'the mount is still there' yes "$(is_mounted "$work/free" && echo yes)"
kill -KILL "$(daemons "$work/free")"
within 5 is_dead "$work/free"
fails 'a dead mount is reported, with the remedy' 1 'a dead rmpfs' "$work/free"
check 'the remedy works' limit 20 "$RMPFS" unmount "$work/free"
check 'then all is well' doctor "$work/free"
fails 'a missing folder' 1 "mkdir -p '$work/gone'" "$work/gone"
fails 'a file' 1 'is not a folder' "$0"
fails 'a wrong option' 64 'Unknown option' --wrong
fails 'a missing sysroot' 64 "$work/gone: no such folder" --sysroot "$work/gone"

agrees() {
    doctor --json "$@" >"$work/json"
    local status=$?
    python3 - "$work/json" "$status" "$top/docs/doctor.md" <<'PYTHON'
import json, re, sys
with open(sys.argv[1], encoding="utf-8") as file:
    found = json.load(file)
status = int(sys.argv[2])
tests, summary = found["tests"], found["summary"]
keys = {"name": str, "status": str, "category": str, "description": str, "message": str}
for test in tests:
    assert set(test) == set(keys) | {"fix_hint"}, test
    assert all(isinstance(test[key], kind) and test[key] for key, kind in keys.items()), test
    assert (test["fix_hint"] is not None) == (test["status"] == "fail"), test
counts = {"passed": "pass", "failed": "fail", "skipped": "skip", "not_applicable": "not applicable"}
for key, word in counts.items():
    assert summary[key] == sum(test["status"] == word for test in tests), key
assert summary["total"] == len(tests) == sum(summary[key] for key in counts)
assert [f["name"] for f in found["failures"]] == [t["name"] for t in tests if t["status"] == "fail"]
assert found["skipped"] == [t["name"] for t in tests if t["status"] == "skip"]
assert found["version"] == 1
assert set(found) == {"version", "verdict", "rmpfs", "tests", "failures", "skipped", "summary"}
# The schema, as docs/doctor.md has it: a row for each key, its type the first word, its values in quotes.
with open(sys.argv[3], encoding="utf-8") as file:
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", file.read().split("\n## JSON\n")[1], re.M))
types = {"number": int, "string": str, "array": list}
flat = {**found, **{f"tests[].{key}": value for test in tests for key, value in test.items()}}
documented = set(rows) - {"summary", "fix_hint"}
assert set(flat) - {"summary"} == documented, set(flat) ^ documented
for key, text in rows.items():
    kind = types.get(re.match(r"\w*", text)[0])
    name = key.partition("[].")[2]
    for value in [test[name] for test in tests] if name else [found[key]]:
        assert kind is None or isinstance(value, kind) or (value is None and "null" in text), (key, value)
        if name in ("status", "category"):
            assert value in re.findall("`([^`]+)`", text), (key, value)
members = re.findall("`([^`]+)`", rows["failures"])
assert all(list(failure) == members for failure in found["failures"]), members
assert list(summary) == list(dict.fromkeys(re.findall("`([^`]+)`", rows["summary"])))
assert [t["category"] for t in tests] == sorted(
    (t["category"] for t in tests), key=re.findall("`([^`]+)`", rows["tests[].category"]).index)
assert status == (1 if summary["failed"] else 0), (status, summary)
PYTHON
}
check 'JSON is as documented: no check fails' agrees "$work/free"
mkdir "$work/tree"
check 'JSON is as documented: many checks fail' agrees --sysroot "$work/tree" "$work/free"
expect 'nothing is written where nobody looks' 1 "$(doctor >/dev/full 2>"$work/errors"; echo $?)"
finish

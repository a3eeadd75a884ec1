#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the examples in the documents: in every fenced `console` block each `$ command` must print exactly the lines
# below it. A line `...` stands for any lines. Each document gets one shell and one temporary folder; its blocks run in
# order. Output is KTAP; exit status 0: all as written, 1: differences, 4: cannot run here.
#
#   RMPFS=PROGRAM Tests/Scripts/docs.sh [DOCUMENT...]        (default: .build/release/rmpfs, all documents)
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
RMPFS=$(realpath -m "${RMPFS:-$top/.build/release/rmpfs}")

skip() { printf 'KTAP version 1\n1..0 # SKIP %s\n' "$1"; exit 4; }
[ -c /dev/fuse ] || skip "there is no /dev/fuse"
[ -x "$RMPFS" ] || skip "there is no program $RMPFS: build it first (swift build -c release), or set RMPFS"

cd "$top"
[ $# -gt 0 ] || set -- README.md docs/*.md docs/scenarios/*.md
RMPFS=$RMPFS exec python3 - "$@" <<'PYTHON'
import difflib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

SECONDS_FOR_A_DOCUMENT = 120
MARK = "\x1e"  # between the outputs of two commands; no document has it


class Command:
    def __init__(self, text):
        self.text, self.expected, self.output = text, [], None


def blocks(path):
    """The console blocks of a document: (number of the line of the fence, commands)."""
    found, commands, start = [], None, 0
    with open(path, encoding="utf-8") as document:
        for number, line in enumerate(document, 1):
            line = line.rstrip("\n")
            if commands is None:
                if line == "```console":
                    commands, start = [], number
            elif line == "```":
                found.append((start, commands))
                commands = None
            elif line.startswith("$ "):
                commands.append(Command(line[2:]))
            elif commands:
                commands[-1].expected.append(line)
            else:
                sys.exit(f"{path}:{number}: a console block begins with '$ command'")
    if commands is not None:
        sys.exit(f"{path}:{start}: the block does not end")
    return found


def matches(expected, output):
    """Whether the lines are equal, `...` being any lines."""
    if not expected:
        return not output
    if expected[0] == "...":
        return any(matches(expected[1:], output[skipped:]) for skipped in range(len(output) + 1))
    return bool(output) and expected[0] == output[0] and matches(expected[1:], output[1:])


def run(commands, folder):
    """Runs all commands in one shell and puts what each wrote into its `output`."""
    script = "exec 2>&1\n" + "".join(
        f"printf '{MARK}%s\\n' {number}\neval {shlex.quote(command.text)}\n" for number, command in enumerate(commands))
    environment = {
        "PATH": os.path.join(folder, ".bin") + ":" + os.environ["PATH"], "HOME": folder, "LC_ALL": "C", "TZ": "UTC",
        "RMPFS_MACHINES": os.path.join(os.getcwd(), "Machines"),
    }
    # As $0 is bash, the shell's own messages begin as those of an interactive one but for the line number.
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-c", script, "bash"], cwd=os.path.join(folder, "work"), env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    try:
        text, _ = shell.communicate(timeout=SECONDS_FOR_A_DOCUMENT)
    except SystemExit:
        os.killpg(shell.pid, signal.SIGKILL)
        raise
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        unmount_below(folder)
        text, _ = shell.communicate()
    for piece in text.decode(errors="replace").split(MARK)[1:]:
        number, _, output = piece.partition("\n")
        output = output.replace(os.path.join(folder, "work"), "/tmp/demo")
        output = re.sub(r"^bash: line \d+: ", "bash: ", output, flags=re.MULTILINE)
        commands[int(number)].output = output.splitlines()


def unmount_below(folder):
    """Takes away every mount below a folder, later ones first."""
    with open("/proc/self/mountinfo", "rb") as table:
        points = [os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1")) for line in table]
    for point in reversed(points):
        if point.startswith(folder + "/"):
            helper = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-uz"]
            subprocess.run(helper + [point], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def test(path, found, number):
    """Runs one document. Returns the number of blocks that failed."""
    folder, failed = os.path.realpath(tempfile.mkdtemp(prefix="rmpfs-docs-")), 0
    try:
        os.mkdir(os.path.join(folder, "work"))
        os.mkdir(os.path.join(folder, ".bin"))
        os.symlink(os.environ["RMPFS"], os.path.join(folder, ".bin", "rmpfs"))
        run([command for _, commands in found for command in commands], folder)
    finally:
        unmount_below(folder)
        shutil.rmtree(folder, ignore_errors=True)
    for line, commands in found:
        wrong = [
            command for command in commands
            if command.output is None or not matches(command.expected, command.output)
        ]
        for command in wrong:
            print(f"# $ {command.text}")
            if command.output is None:
                print(f"# not reached within {SECONDS_FOR_A_DOCUMENT} s")
                continue
            for difference in difflib.ndiff(command.expected, command.output):
                if not difference.startswith("?"):
                    print(f"#   {difference}")
        print(f"{'not ok' if wrong else 'ok'} {number} {path}:{line}", flush=True)
        number += 1
        failed += bool(wrong)
    return failed


signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
documents = [(path, found) for path in sys.argv[1:] if (found := blocks(path))]
print("KTAP version 1")
print(f"1..{sum(len(found) for _, found in documents)}", flush=True)
number, failures = 1, 0
for path, found in documents:
    failures += test(path, found, number)
    number += len(found)
sys.exit(failures > 0)
PYTHON

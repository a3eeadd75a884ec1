# SPDX-License-Identifier: Apache-2.0
"""The argument fuzzer: any words after any command. Each call ends in time, with a valid exit status, explains a
refusal, prints no control characters of an argument, and leaves no mount and no process that it should not."""

import os
import subprocess
import time

from hosts import PATIENCE, PROGRAM, Fault, daemons, mounts, rmpfs, within

COMMANDS = ["mount", "run", "unmount", "umount", "list", "status", "map", "doctor", "machine", "series", "figures", "help",
            "simulate", "report"]
OPTIONS = ["--cpus", "--memory", "--machine", "--series", "--pace", "--boot", "-o", "--engine", "--config-root",
           "--debug-root", "--cpu-root", "--allow-reenable", "--json", "--lazy", "--all", "--under", "--svg", "--sources",
           "--root", "--version", "--help", "-h", "--", "-", "-x", "--die-with-parent", "--no", "--background-process",
           "--private-part", "-V", "-N", "-n", "-s", "-t"]
VALUES = ["0", "1", "16", "8192", "8193", "-1", "99999999999999999999", "1G", "64T", "65T", "1K", "2M", "3TB", "0x10", "v1",
          "v11", "merged", "V8", "instant", "1e3", "nan", "inf", "kernel", "firmware", "simulated", "laptop", "nothing",
          "mode=755", "mode=9", "uid=1", "uid=-1", "gid=99999999999", "ro", "suid", "fsname=a b", "exact,,ro", "x-a,X-b",
          "fsname=\\,", "context=x", "machine=/dev/null", "cpus=4", ",", "=", "%s%n", "a'b", "$(x)", "host:1", "fuse.rmpfs"]
BYTES = [b"", b"\xe9", b"\xff\xfe", b"\x1b[31m", b"\x07", b"a\nb", b"\xc3\xa9", b"\xe2\x80\xae", b"x" * 255, b"x" * 5000]
PROGRAMS = [["true"], ["false"], ["sh", "-c", "exit 3"], ["sh", "-c", "kill -9 $$"], ["nosuch"], ["/"], [""], []]


def line(random, folder):
    """A command line as bytes, without its program."""
    point = os.path.join(folder, "point")
    paths = [point, point + "/", point + "/../point", os.path.join(folder, "file"), os.path.join(folder, "nothing"), ".",
             "/dev/null", os.path.join(folder, "file", "x"), "file.svg"]
    words = [random.choice(COMMANDS)] if random.random() < 0.95 else [random.choice(["mout", "-o", "x", "mount.rmpfs"])]
    for _ in range(random.randrange(6)):
        kind = random.random()
        if kind < 0.4:
            words.append(random.choice(OPTIONS))
            if random.random() < 0.6:
                words.append(random.choice(VALUES))
        elif kind < 0.6:
            words.append(random.choice(paths))
        elif kind < 0.8:
            words.append(random.choice(VALUES))
        elif kind < 0.9:
            words.append(random.choice(OPTIONS) + "=" + random.choice(VALUES))
        else:
            words.append(random.choice(BYTES))
    if words[0] == "mount" and random.random() < 0.7:
        words.append(point)
    if words[0] == "run":
        words += ["--", *random.choice(PROGRAMS)]
    return [word if isinstance(word, bytes) else os.fsencode(word) for word in words]


def judge(words, done):
    """What is wrong with the way a command line ended."""
    text = done.stderr + done.stdout
    if done.returncode < 0 and words[0] != b"run":
        return f"ended by signal {-done.returncode}"
    if b"Fatal error" in text or b"Swift/" in text or b"Current stack trace" in text:
        return "a trap"
    if done.returncode not in (0, 1, 64) and words[0] != b"run":
        return f"exit status {done.returncode}"
    if done.returncode != 0 and not text and words[0] != b"run":
        return "refused without a word"
    if any(byte < 0x20 and byte not in (0x0A, 0x09) or byte == 0x7F for byte in done.stderr):
        return "control characters in a message"
    return None


def attack(folder, random, seconds, note):
    point = os.path.join(folder, "point")
    os.mkdir(point)
    with open(os.path.join(folder, "file"), "wb") as file:
        file.write(random.randbytes(200))
    end = time.monotonic() + seconds
    counts = {}
    while time.monotonic() < end:
        words = line(random, folder)
        # Runs below a separate command, so that --die-with-parent has a parent that ends.
        try:
            done = subprocess.run([os.fsencode(PROGRAM), *words], cwd=folder, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as expired:
            raise Fault(f"not ended within {PATIENCE} s: {words}") from expired
        except ValueError:
            continue
        if wrong := judge(words, done):
            raise Fault(f"{wrong}: {words}\n{(done.stderr + done.stdout)[:1000]!r}")
        counts[done.returncode] = counts.get(done.returncode, 0) + 1
        if mounts(folder):
            done = rmpfs("unmount", "--all", "--under", folder)
            if done.returncode != 0:
                raise Fault(f"{words}: its mount stays: {done.stderr!r}")
        if not within(20, lambda: not daemons()):
            raise Fault(f"{words}: still running: {daemons()}")
        if mounts(folder):
            raise Fault(f"{words}: still mounted: {mounts(folder)}")
    note("command lines by exit status: " + ", ".join(f"{status}: {count}" for status, count in sorted(counts.items())))

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Provokes each error that the pages list, on real mounts: errors.py RMPFS FOLDER. KTAP.

WAYS has a way to each row of the pages; a row without a way fails, and so does a way without a row."""

import errno
import os
import resource
import subprocess
import sys

from documented import NAMES, rows

PROGRAM, FOLDER = sys.argv[1], sys.argv[2]
HUGE = "9" * 23


class Host:
    """A mounted host whose clock stands still."""

    def __init__(self, number, *options):
        self.path = os.path.join(FOLDER, f"host{number}")
        os.mkdir(self.path)
        subprocess.run([PROGRAM, "mount", "--pace", "0", *options, self.path], check=True, timeout=60)
        self.open = {}

    def end(self):
        for descriptor in self.open.values():
            os.close(descriptor)
        subprocess.run([PROGRAM, "unmount", "--lazy", self.path], check=True, timeout=20)

    def limit(self):
        """Leaves the daemon 48 MB, less than a command has to leave for the rest."""
        pid = next(pid for pid in os.listdir("/proc") if pid.isdigit() and self.is_daemon(pid))
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            size = next(int(line.split()[1]) for line in status if line.startswith("VmSize"))
        resource.prlimit(int(pid), resource.RLIMIT_AS, ((size << 10) + (48 << 20),) * 2)

    def is_daemon(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                return os.fsencode(self.path) in line.read().split(b"\0")
        except OSError:
            return False

    def do(self, step):
        """One step: `write PATH TEXT`, `mkdir PATH`, `rmdir PATH`, `open PATH` (written to later), `limit`."""
        word, path, text = (*step, "", "")[:3]
        full = os.path.join(self.path, path)
        try:
            if word == "write":
                descriptor = self.open.get(path) or os.open(full, os.O_WRONLY)
                try:
                    os.write(descriptor, text.encode())
                finally:
                    if path not in self.open:
                        os.close(descriptor)
            elif word == "open":
                self.open[path] = os.open(full, os.O_WRONLY)
            elif word == "limit":
                self.limit()
            else:
                getattr(os, word)(full)
        except OSError as error:
            return NAMES[error.errno]
        return None


G, F, M = "rmpsim/guests/NAME/", "rmpsim/faults/NAME/", "rmpsim/memory/"
GUEST = [("mkdir", "rmpsim/guests/g")]
FAULT = [("mkdir", "rmpsim/faults/f")]


def write(path, text):
    return ("write", path, text)


def guest(*values, name="g"):
    return [("mkdir", f"rmpsim/guests/{name}")] + [
        write(f"rmpsim/guests/{name}/{file}", text) for file, text in values]


RUNNING = guest(("memory", "1G"), ("placement", "ranges 0x140000000-0x180000000"), ("state", "running"))
DOWN = [write("rmpsim/firmware/state", "shutdown")]
V4, V5, V8 = ["--series", "v4"], ["--series", "v5"], ["--series", "v8"]
OFF = [write("rmpsim/firmware/state", "shutdown_x86")]
NO_SNP = ["--boot", "kernel", "--series", "v5"]

# For each row: options of the mount, steps that succeed, and the writes, or the one call, each of which gives the error.
WAYS = {
    ("rmpopt/action", "EINVAL"): ([], [], ["2", "\n", "x", "-1"]),
    ("rmpopt/action", "ERANGE"): ([], [], ["4294967296", HUGE]),
    ("rmpopt/reenable", "EINVAL"): ([], [], ["0", "yes", "\n"]),
    ("rmpopt/reenable", "ERANGE"): ([], [], ["4294967296"]),
    ("rmpsim/clock", "EINVAL"): ([], [], ["1s", "+1", "+1w", "+s", "+1.s", "next", "+idle", "+1.0000000001s", "+0.5ns"]),
    ("rmpsim/pace", "EINVAL"): ([], [], ["\n", "-1", "10000001", "fast", "inf", "0x10", ".5", "1.", "1e3"]),
    ("rmpsim/clock", "ERANGE"): ([], [], ["+9223372036854775808ns", "+2562048h", f"+{HUGE}s"]),
    ("mkdir rmpsim/guests/NAME", "EEXIST"): ([], GUEST, ("mkdir", "rmpsim/guests/g")),
    ("mkdir rmpsim/guests/NAME", "ENAMETOOLONG"): ([], [], ("mkdir", "rmpsim/guests/" + "n" * 256)),
    ("mkdir rmpsim/guests/NAME", "ENOSPC"): (
        [], [("mkdir", f"rmpsim/guests/g{number}") for number in range(65536)], ("mkdir", "rmpsim/guests/one-more")),
    ("mkdir rmpsim/guests/NAME", "ENOMEM"): ([], [("limit",)], ("mkdir", "rmpsim/guests/g")),
    ("rmdir rmpsim/guests/NAME", "ENOENT"): ([], [], ("rmdir", "rmpsim/guests/g")),
    (G + "memory", "ENOENT"): (
        [], GUEST + [("open", "rmpsim/guests/g/memory"), ("rmdir", "rmpsim/guests/g")], ["1G"]),
    (G + "type", "EBUSY"): ([], RUNNING, ["ordinary", "wrong"]),
    (G + "type", "EINVAL"): ([], GUEST, ["sev", "Ordinary", "\n", "ordinary snp"]),
    (G + "memory", "EINVAL"): ([], GUEST, ["1000", "1Q", "all"]),
    (G + "memory", "ERANGE"): ([], GUEST, ["18446744073709551616", "16777216T"]),
    (G + "memory", "ENOSPC"): ([], GUEST, ["65G"]),
    (G + "memory", "EBUSY"): ([], RUNNING, ["1G", "wrong"]),
    (G + "state", "EINVAL"): ([], GUEST, ["running", "Running", "ending"]),
    (G + "state", "EBUSY"): ([], RUNNING + guest(
        ("memory", "1G"), ("placement", "ranges 0x160000000-0x1a0000000"), name="h")
        + [write("rmpsim/guests/g/state", "stopped")], ["running"]),
    (G + "state", "ENOSPC"): ([], guest(("memory", "64G")), ["running"]),
    (G + "state", "ENODEV"): ([], guest(("memory", "1G")) + DOWN, ["running", "created"]),
    (G + "state", "ENOMEM"): ([], guest(("memory", "1G")) + [("limit",)], ["running"]),
    (G + "page_size", "EBUSY"): ([], RUNNING, ["4K", "wrong"]),
    (G + "placement", "EBUSY"): ([], RUNNING, ["packed"]),
    (G + "node", "EBUSY"): ([], RUNNING, ["0"]),
    (G + "vcpus", "EBUSY"): ([], RUNNING, ["1"]),
    (G + "page_size", "EINVAL"): ([], GUEST, ["8K", "2m1", "0"]),
    (G + "placement", "EINVAL"): (
        [], GUEST, ["near", "scattered", f"scattered {HUGE}", "ranges 0-1", "ranges 0-0x10000000000"]),
    (G + "node", "EINVAL"): ([], GUEST, ["1", "-2", "all"]),
    (G + "vcpus", "EINVAL"): ([], GUEST, ["0", "4097", "two"]),
    (G + "page_size", "ERANGE"): ([], GUEST, [HUGE]),
    (G + "node", "ERANGE"): ([], GUEST, ["4294967296"]),
    (G + "vcpus", "ERANGE"): ([], GUEST, ["4294967296", HUGE]),
    (G + "convert", "EBUSY"): ([], GUEST, ["shared 0 4K"]),
    (G + "convert", "EINVAL"): (
        [], RUNNING, ["shared", "both 0 4K", "shared 0 1", "shared 0 0", "shared 1G 4K", "private 0 4K 4K"]),
    (G + "convert", "ERANGE"): ([], RUNNING, [f"shared {HUGE} 4K", f"shared 0 {HUGE}", "shared 0xfffffffffffff000 4K"]),
    (G + "convert", "EPERM"): ([], RUNNING + [
        write(M + "rmpupdate", "0x140000000"), write(M + "rmpupdate", "0x140000000 assigned=1 immutable=1 asid=1")],
        ["shared 0 4K"]),
    (G + "convert", "ENOMEM"): ([], RUNNING + [("limit",)], ["shared 0 4K"]),
    (F + "path", "EINVAL"): ([], FAULT, ["/debug", "[a", "a\\"]),
    (F + "operation", "EINVAL"): ([], FAULT, ["fsync", "\n"]),
    (F + "errno", "EINVAL"): ([], FAULT, ["ENOSUCH", "-1"]),
    (F + "delay_ms", "EINVAL"): ([], FAULT, ["-1", "soon"]),
    (F + "short", "EINVAL"): ([], FAULT, ["-2", "x"]),
    (F + "count", "EINVAL"): ([], FAULT, ["-2", "x"]),
    (F + "seed", "EINVAL"): ([], FAULT, ["-1", "x"]),
    (F + "active", "EINVAL"): ([], FAULT, ["2", "yes"]),
    (F + "probability", "EINVAL"): ([], FAULT, ["often", "0.0000000001", "."]),
    (F + "errno", "ERANGE"): ([], FAULT, ["512", HUGE]),
    (F + "probability", "ERANGE"): ([], FAULT, ["1.1", "101%"]),
    (F + "delay_ms", "ERANGE"): ([], FAULT, ["4294967296"]),
    (F + "short", "ERANGE"): ([], FAULT, ["4294967296"]),
    (F + "active", "ERANGE"): ([], FAULT, ["4294967296"]),
    (F + "count", "ERANGE"): ([], FAULT, ["18446744073709551616"]),
    (F + "seed", "ERANGE"): ([], FAULT, ["18446744073709551616"]),
    (F + "errno", "EOPNOTSUPP"): ([], FAULT, ["ENOSYS", "38"]),
    (F + "path", "ENOENT"): ([], FAULT + [("open", "rmpsim/faults/f/path"), ("rmdir", "rmpsim/faults/f")], ["a"]),
    ("mkdir rmpsim/faults/NAME", "ENOSPC"): (
        [], [("mkdir", f"rmpsim/faults/f{number}") for number in range(1024)], ("mkdir", "rmpsim/faults/one-more")),
    ("mkdir rmpsim/faults/NAME", "EEXIST"): ([], FAULT, ("mkdir", "rmpsim/faults/f")),
    ("mkdir rmpsim/faults/NAME", "ENAMETOOLONG"): ([], [], ("mkdir", "rmpsim/faults/" + "n" * 256)),
    ("rmdir rmpsim/faults/NAME", "ENOENT"): ([], [], ("rmdir", "rmpsim/faults/f")),
    ("rmpsim/cpus/cpuN/online", "EINVAL"): ([], [], ["2", "on", HUGE]),
    ("rmpsim/cpus/cpuN/online", "EBUSY"): (V8, [], ["0"]),
    ("rmpsim/firmware/state", "EINVAL"): ([], [], ["Init", "kexec 1", "kexec 0,99", f"kexec 0-{HUGE}", "kexec 0 1"]),
    ("rmpsim/firmware/state", "EBUSY"): (V4, RUNNING, ["shutdown", "shutdown_x86", "kexec"]),
    ("rmpsim/firmware/state", "EOPNOTSUPP"): ([], [], ["shutdown_x86"]),
    ("rmpsim/firmware/state", "EIO"): ([], DOWN + [write("rmpsim/firmware/fail_init", "1")], ["init"]),
    ("rmpsim/firmware/state", "ENOMEM"): ([], DOWN + [("limit",)], ["init"]),
    ("rmpsim/firmware/fail_init", "EINVAL"): ([], [], ["-1", "x"]),
    ("rmpsim/firmware/fail_init", "ERANGE"): ([], [], ["4294967296"]),
    ("rmpsim/firmware/fail_decommission", "EINVAL"): ([], [], ["-1", "\n"]),
    ("rmpsim/firmware/fail_decommission", "ERANGE"): ([], [], [HUGE]),
    (M + "rmpupdate", "EINVAL"): ([], [], ["\n", "x", "0x80000000 asid=1024 assigned=1", "0x80000000 assigned=2",
                                         "0x80001000 size=2M assigned=1", "0x80000000 size=1G", "64T", "0x80000000 a"]),
    (M + "rmpupdate", "EPERM"): ([], [write(M + "rmpupdate", "0x80000000 assigned=1 immutable=1")], ["0x80000000"]),
    (M + "rmpupdate", "ENOTEMPTY"): ([], [write(M + "rmpupdate", "0x80000000 assigned=1 size=2M asid=5")],
                                     ["0x80001000 assigned=1"]),
    (M + "rmpupdate", "ERANGE"): ([], [], [HUGE, "0x80000000 asid=4294967296", f"0x80000000 gpa={HUGE}"]),
    (M + "rmpupdate", "ENODEV"): (V4, OFF, ["0x80000000"]),
    (M + "rmpupdate", "ENOMEM"): ([], [("limit",)], ["0x80000000 assigned=1"]),
    (M + "psmash", "EINVAL"): ([], [], ["0x80000000", "x", "0x80001000"]),
    (M + "psmash", "EPERM"): (
        [], [write(M + "rmpupdate", "0x80000000 assigned=1 size=2M immutable=1 asid=5")], ["0x80000000"]),
    (M + "psmash", "ERANGE"): ([], [], [HUGE]),
    (M + "psmash", "ENODEV"): (V4, OFF, ["0x80000000"]),
    (M + "psmash", "ENOMEM"): ([], [("limit",)], ["0x80000000"]),
    (M + "rmpread", "EINVAL"): ([], [], ["x", "64T", "0x100000000000000"]),
    (M + "rmpread", "ERANGE"): ([], [], [HUGE]),
    (M + "leak", "EINVAL"): ([], [], ["\n", "0x80000001", "0x80000000 0", "0x80000000 1 1", "64T", "0 0xffffffffffffffff"]),
    (M + "leak", "EBUSY"): ([], [], ["0", "0x100000000"]),
    (M + "leak", "ERANGE"): ([], [], [HUGE, f"0x80000000 {HUGE}", "0x80000000 0xffffffffffffffff"]),
    (M + "leak", "ENODEV"): (V4, OFF, ["0x80000000"]),
    (M + "leak", "ENOMEM"): ([], [("limit",)], ["0x80000000"]),
    **{(M + file, error): way for file in ("host", "page_cache") for error, way in {
        "EINVAL": ([], [], ["1000", "1Q", "\n", "-1"]), "ERANGE": ([], [], [HUGE, "16777216T"]),
        "ENOSPC": ([], [], ["65G", "64G"]), "ENOMEM": ([], [("limit",)], ["1G"])}.items()},
    (M + "online", "EINVAL"): ([], [], ["0", "2", "\n"]),
}
# Further ways to cause errors for which there are several rules.
MORE = [
    ("rmpsim/cpus/cpuN/online", "EBUSY", ([], [], ("write", "rmpsim/cpus/cpu0/online", "0"))),
    ("rmpsim/firmware/state", "EOPNOTSUPP", (NO_SNP, [write("rmpsim/cpus/cpu1/online", "0")], ["init"])),
    (G + "state", "EBUSY", ([], RUNNING + guest(("memory", "1G"), ("placement", "ranges 0x160000000-0x1a0000000"),
                                               name="h"), ("write", "rmpsim/guests/h/state", "running"))),
    (G + "state", "EINVAL", ([], guest(("memory", "1G"), ("page_size", "1G"), ("placement", "ranges 0-0x200000")),
                             ["running"])),
    (G + "convert", "EINVAL", ([], guest(("type", "ordinary"), ("memory", "1G"), ("state", "running")),
                               ["private 0 4K"])),
    (M + "host", "ENOSPC", ([], [write(M + "page_cache", "32G"), write(M + "host", "32G")]
                            + guest(("type", "ordinary"), ("memory", "8G"), ("state", "running")), ["60G"])),
    (G + "state", "ENODEV", (V4, guest(("memory", "1G")) + OFF, ["running", "created"])),
]


def real(path):
    """A path of the page on a host: the guest g, the fault f, CPU 1."""
    return path.replace(G, "rmpsim/guests/g/").replace(F, "rmpsim/faults/f/").replace("cpuN", "cpu1")


def attempt(host, path, name, steps, last):
    """What goes wrong on the way to an error."""
    wrong = [f"{step}: {outcome}, expected success" for step in steps if (outcome := host.do(step))]
    calls = [last] if isinstance(last, tuple) else [("write", real(path), text) for text in last]
    for call in calls:
        if (outcome := host.do(call)) != name:
            wrong.append(f"{call}: {outcome or 'success'}, expected {name}")
    # Whatever was refused, the mount must answer.
    try:
        os.listdir(host.path + "/rmpsim/memory")
    except OSError as error:
        wrong.append(f"the mount does not answer: {error.strerror}")
    host.end()
    return wrong


def main():
    documented = rows()
    ways = [(path, name, way) for (path, name), way in WAYS.items()] + MORE
    number = failed = 0

    def report(name, wrong):
        nonlocal number, failed
        number += 1
        failed += bool(wrong)
        for line in wrong:
            print("#", line)
        print("not ok" if wrong else "ok", number, name, flush=True)

    print(f"KTAP version 1\n1..{len(ways) + 2}")
    report("every row of the pages has a way", sorted(set(documented) - set(WAYS)))
    report("every way has a row", sorted(set(WAYS) - set(documented)))
    for path, name, (options, steps, last) in ways:
        report(f"{name}: {path}", attempt(Host(number, *options), path, name, steps, last))
    return failed > 0


sys.exit(main())

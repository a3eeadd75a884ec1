# SPDX-License-Identifier: Apache-2.0
"""The write fuzzer: any values into all attributes of hosts of every machine and version. Only documented errors occur,
a refused value changes nothing, the daemon lives, and all files agree (checker.py)."""

import itertools
import os
import time

from checker import Check
from documented import Page
from hosts import TOP, Fault, Host, series

MACHINES = [
    ("small", ["--cpus", "6", "--memory", "8G"]),
    *((name, ["--machine", os.path.join(TOP, "Machines", name + ".yaml")])
      for name in ("laptop", "server-offline", "server-cxl", "server-2t-remapped", "venice-1p")),
]
HUGE = [b"4294967295", b"4294967296", b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"9" * 40]
WORDS = [b"", b"\n", b" ", b"-1", b"+1", b"0x", b"0", b"00", b"1 ", b"1\n\n", b"1\0x", b"\xff\xfe", b"none", b"A" * 4095,
         b"1" * 5000, b"0" * 4094 + b"1"]


class Values:
    """Values for attributes, mostly well-formed."""

    def __init__(self, random, host, regions, cpus):
        self.random, self.host, self.regions, self.cpus = random, host, regions, cpus

    def number(self, below):
        value = self.random.randrange(below)
        form = self.random.choice(["%d", "%d", "0x%x", "+%d", "0%o"])
        return (form % value).encode()

    def size(self, most=12):
        return b"%d%s" % (self.random.randrange(most), self.random.choice([b"", b"K", b"M", b"G", b"G", b"g", b"T"]))

    def address(self):
        region = self.random.choice([0, 1, 2, 3, 4, 5, self.regions - 1, self.random.randrange(self.regions + 2)])
        chunk = self.random.choice([0, 1, 2, 511, self.random.randrange(512)])
        page = self.random.choice([0, 0, 1, 511, self.random.randrange(512)])
        odd = self.random.choice([0, 0, 0, 0, 8])
        return b"0x%x" % ((region << 30) + (chunk << 21) + (page << 12) + odd)

    def clock(self):
        return b"+%d%s" % (self.random.choice([0, 1, 7, 100, 999]), self.random.choice([b"ns", b"us", b"us", b"ms", b"s", b"min"]))

    def placement(self):
        start = self.random.randrange(self.regions * 512)
        count = self.random.choice([1, 16, 512, 1024])
        return self.random.choice([
            b"packed", b"local", b"aligned", b"scattered " + self.number(99),
            b"ranges 0x%x-0x%x" % (start << 21, (start + count) << 21),
            b"ranges 0x%x-0x%x,0-0x200000" % (start << 21, (start + count) << 21)])

    def rmpupdate(self):
        words = [self.address()]
        for word in self.random.sample(
                [b"assigned=1", b"assigned=0", b"size=2M", b"size=4K", b"immutable=1", b"asid=" + self.number(1030),
                 b"gpa=" + self.address()], self.random.randrange(5)):
            words.append(word)
        return b" ".join(words)

    def kexec(self):
        last = self.random.randrange(self.cpus + 1)
        return self.random.choice([b"kexec", b"kexec 0", b"kexec 0-%d" % last, b"kexec 0,%d" % last, b"kexec 1"])

    def of(self, path):
        """A value for an attribute."""
        random = self.random
        name = os.path.basename(path)
        ways = {
            "action": lambda: b"1", "reenable": lambda: b"1", "clock": self.clock,
            "type": lambda: random.choice([b"snp", b"ordinary", b"ordinary"]), "host": lambda: self.size(3),
            "page_cache": lambda: self.size(),
            "memory": lambda: self.size(3), "page_size": lambda: random.choice([b"4K", b"2M", b"1G", b"4096"]),
            "placement": self.placement, "node": lambda: random.choice([b"-1", b"0", b"1", b"2"]),
            "vcpus": lambda: self.number(random.choice([4, 600, 5000])),
            "convert": lambda: b"%s %s %s" % (
                random.choice([b"shared", b"private"]), random.choice([b"0", b"4K", b"2M", self.size()]),
                random.choice([b"4K", b"2M", b"4M", b"12K", self.size()])),
            "rmpupdate": self.rmpupdate, "psmash": self.address, "rmpread": self.address,
            "leak": lambda: self.address() + random.choice([b"", b" 1", b" 5", b" 600"]),
            "fail_init": lambda: self.number(3), "fail_decommission": lambda: self.number(3),
            "path": lambda: random.choice([b"rmpsim/guests/*/vcpus", b"nothing", b"debug/none", b"/x", b"[", b"\\"]),
            "operation": lambda: random.choice([b"open", b"read", b"getattr", b"lookup", b"pass", b"fsync"]),
            "errno": lambda: random.choice([b"EIO", b"ENOSYS", b"0", b"512", b"EXX"]),
            "delay_ms": lambda: self.number(3), "short": lambda: random.choice([b"-1", b"0", b"7"]),
            "count": lambda: self.number(3), "probability": lambda: random.choice([b"0.5", b"50%", b"1.5", b"x"]),
            "seed": lambda: self.number(9), "active": lambda: self.number(3),
            "online": lambda: random.choice([b"0", b"1"]),
        }
        if name == "state":
            if "firmware" in path:
                return random.choice([b"init", b"init", b"shutdown", b"shutdown_x86", self.kexec()])
            return random.choice([b"running", b"running", b"stopped", b"created"])
        value = ways.get(name, lambda: b"1")()
        if random.random() < 0.08:
            return random.choice(HUGE)
        if random.random() < 0.08:
            return random.choice(WORDS)
        if random.random() < 0.08:
            value = bytearray(value or b"0")
            for _ in range(random.randrange(1, 4)):
                value[random.randrange(len(value))] = random.randrange(256)
            return bytes(value)
        return value + random.choice([b"", b"\n"])


class Attack:
    """Random calls on one host, each checked."""

    def __init__(self, folder, random, machine, version):
        self.random, self.page = random, Page()
        self.host = Host(folder, *machine[1], "--series", version)
        self.done = []
        self.checks = 0
        cpus = sum(name.startswith("cpu") for name in os.listdir(self.host.full("rmpsim/cpus")))
        metrics = self.host.read("debug/rmpopt/metrics") if self.host.exists("debug/rmpopt/metrics") else ""
        regions = next((int(line.split()[1]) for line in metrics.splitlines() if line.startswith("rmpopt_regions ")), 4)
        self.values = Values(random, self.host, regions, cpus)
        self.cpus = cpus

    def paths(self):
        """Attributes to write to; those with the most effect are listed several times."""
        guests = [f"rmpsim/guests/{name}/" for name in os.listdir(self.host.full("rmpsim/guests"))]
        faults = [f"rmpsim/faults/{name}/" for name in os.listdir(self.host.full("rmpsim/faults"))]
        memory = ["rmpupdate", "rmpupdate", "psmash", "leak", "rmpread", "online", "host", "page_cache"]
        paths = ["rmpopt/reenable"] * 4 + ["rmpopt/action"] + ["rmpsim/clock"] * 8 + ["rmpsim/firmware/state"] * 5
        paths += ["rmpsim/firmware/fail_init"] * 3 + ["rmpsim/firmware/fail_decommission"]
        paths += ["rmpsim/memory/" + name for name in memory]
        paths += [f"rmpsim/cpus/cpu{self.random.randrange(self.cpus)}/online"] * 3
        for guest in guests:
            paths += [guest + name for name in (
                "type", "memory", "page_size", "placement", "node", "vcpus", "convert", "convert")]
            paths += [guest + "state"] * 5
        for fault in faults:
            names = ("path", "operation", "errno", "delay_ms", "short", "count", "probability", "seed", "active")
            paths += [fault + self.random.choice(names)]
        return [path for path in paths if self.host.exists(path)]

    def step(self):
        chance = self.random.random()
        if chance < 0.06:
            what = ("mkdir", f"rmpsim/{self.random.choice(['guests', 'guests', 'faults'])}/{self.random.choice('abcd')}")
        elif chance < 0.09:
            what = ("rmdir", f"rmpsim/{self.random.choice(['guests', 'faults'])}/{self.random.choice('abcd')}")
        else:
            path = self.random.choice(self.paths())
            what = ("write", path, self.values.of(path))
        self.done.append(what)
        if what[0] != "write":
            error = self.host.call(*what)
            known = self.page.errors(" ".join(what))
        else:
            # Lines that others write, return codes, and the effects of a conversion before it was refused may change.
            stays = os.path.basename(path) not in ("rmpupdate", "psmash", "convert")
            before = self.host.read(path) if stays else None
            error = self.host.write(path, what[2])
            known = self.page.errors(path)
            if error and stays and before != (after := self.host.read(path)):
                raise Fault(f"{error}, and {before!r} has become {after!r}")
        if error and error not in known:
            raise Fault(f"{error} is not documented; these are: {sorted(known)}")

    def check(self, tools):
        # faults.sh tests what strikes requests; here it would only be in the way.
        for name in os.listdir(self.host.full("rmpsim/faults")):
            self.host.write(f"rmpsim/faults/{name}/active", b"0")
        Check(self.host, self.random, tools).all()
        self.checks += 1


def attack(folder, random, seconds, note):
    """Attacks hosts of all machines and versions in turn, in random order, until the time is over."""
    end = time.monotonic() + seconds
    pairs = list(itertools.product(MACHINES, series()))
    random.shuffle(pairs)
    writes = checks = hosts = 0
    for machine, version in itertools.cycle(pairs):
        if time.monotonic() > end and hosts >= len(pairs):
            break
        # However short the time: every pair, each for a while.
        until = time.monotonic() + max(0.15, (end - time.monotonic()) / max(1, len(pairs) - hosts % len(pairs)))
        one = Attack(folder, random, machine, version)
        try:
            while time.monotonic() < until or not one.checks:
                for _ in range(random.choice([1, 3, 12, 40])):
                    one.step()
                    Check(one.host, random).quick()
                one.check(tools=one.checks % 4 == 0)
            one.host.end()
        except Fault as fault:
            steps = "\n".join(repr(step) for step in one.done[-60:])
            raise Fault(f"{machine[0]}, {version}, after {len(one.done)} steps:\n{steps}\n{fault}") from fault
        writes, checks, hosts = writes + len(one.done), checks + one.checks, hosts + 1
    note(f"{writes} writes and {checks} checks on {hosts} hosts: {len(MACHINES)} machines, {len(series())} versions")

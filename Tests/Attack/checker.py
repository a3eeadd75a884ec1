# SPDX-License-Identifier: Apache-2.0
"""All files of a host must agree at one moment: the table, each CPU's file, blockers, metrics, guests, RMP entries, and
what status and map show. The clock must stand still."""

import json
import os
import re

from hosts import Fault, rmpfs

LINE = re.compile(r"Memory @ *(\d+)GB: (.*)")
# Of hosts with more CPUs than this, a random sample is checked each time.
MOST_CPUS = 24


def numbers(text):
    """One of the kernel's lists, such as 0-3,8, as a frozenset."""
    if text in ("none", ""):
        return frozenset()
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def lines(text, name):
    """Region and rest of each line; regions ascend."""
    found = {}
    last = -1
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if not match or int(match[1]) <= last:
            raise Fault(f"{name}: a line that cannot be: {line!r}")
        last = int(match[1])
        found[last] = match[2]
    return found


LABEL = r'\w+="([^"]*)"'
METRIC = re.compile(rf"(\w+)(?:\{{{LABEL}(?:,{LABEL})*\}})? ([0-9.]+)")


def metrics(text):
    """Each value of the metrics under its name, with the first label's value if it has any."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = METRIC.fullmatch(line)
            if not match:
                raise Fault(f"metrics: a line that cannot be: {line!r}")
            found[match[1], match[2]] = float(match[4])
    return found


class Check:
    """One check of everything."""

    def __init__(self, host, random, tools=True):
        self.host, self.random, self.tools = host, random, tools

    def demand(self, holds, text):
        if not holds:
            raise Fault(text)

    def all(self):
        host = self.host
        if not host.exists("rmpopt"):
            return
        cpus = sorted(numbers(host.read("rmpsim/cpus/possible").strip()))
        self.online = numbers(host.read("rmpsim/cpus/online").strip())
        for cpu in self.random.sample(cpus, min(len(cpus), 8)):
            state = host.read(f"rmpsim/cpus/cpu{cpu}/online").strip()
            self.demand((state == "1") == (cpu in self.online), f"CPU {cpu}: {state}, cpus/online has {sorted(self.online)}")
        self.snp = host.read("rmpsim/firmware/snp_enabled") == "1\n"
        self.cpu_files(cpus)
        self.table()
        self.blockers_file()
        self.metrics_file()
        self.guests()
        self.entries()
        # If the lines of a table are mixed, so is what the tools show.
        if self.tools and not self.is_mixed:
            self.status_and_map()

    def quick(self):
        """Checks the text of CPU 0, which is cached while nothing changes, after every step."""
        if self.host.exists("rmpopt"):
            self.snp = self.host.read("rmpsim/firmware/snp_enabled") == "1\n"
            self.words_of(0)

    def words_of(self, cpu):
        """Region and word of each line of a CPU's file."""
        words = lines(self.host.read(f"debug/rmpopt/cpu{cpu}"), f"cpu{cpu}")
        for region, word in words.items():
            self.demand(word in ("optimized", "checked", "outside", "unchecked"), f"cpu{cpu}: {region}: {word}")
            self.demand((word == "unchecked") == (not self.snp), f"cpu{cpu}: {region}: {word}, SNP_EN is {self.snp:d}")
        return words

    def names(self, path):
        return os.listdir(self.host.full(path))

    def cpu_files(self, cpus):
        # CPU 0 is always online.
        chosen = cpus if len(cpus) <= MOST_CPUS else [0] + self.random.sample(cpus[1:], MOST_CPUS - 1)
        self.complete = len(cpus) <= MOST_CPUS
        self.words = {}
        for cpu in chosen:
            if cpu not in self.online:
                error = self.host.error_of_read(f"debug/rmpopt/cpu{cpu}")
                self.demand(error == "ENODEV", f"cpu{cpu} is offline and its file reads as {error}")
                continue
            self.words[cpu] = self.words_of(cpu)
        regions = {tuple(words) for words in self.words.values()}
        self.demand(len(regions) <= 1, "CPUs have different regions")
        self.regions = list(regions.pop()) if regions else []

    def table(self):
        paths = ["debug/rmpopt/rmpopt-table", "debug/x86/rmpopt/rmpopt-table"]
        path = next((path for path in paths if self.host.exists(path)), None)
        self.rows = {}
        # In v1 to v4 a reader of the table and a pass share a mask: lines printed during a pass belong to neither.
        shares = self.host.read("debug/rmpopt/series").split()[1] in ("v1", "v2", "v3", "v4")
        self.is_mixed = bool(path) and shares and self.host.read("rmpopt/reenable") == "1\n"
        if not path or self.is_mixed:
            return
        known = {}
        for region, text in lines(self.host.read(path), "rmpopt-table").items():
            self.demand(text.startswith("CPU(s): "), f"rmpopt-table: {region}: {text}")
            text = text[8:]
            self.rows[region] = known[text] = known.get(text) or numbers(text)
            self.demand(self.rows[region] <= self.online, f"rmpopt-table: {region}: {text}: offline CPUs")
        for cpu, words in self.words.items():
            for region, row in self.rows.items():
                word = words.get(region)
                self.demand(
                    (word == "optimized") == (cpu in row),
                    f"region {region}, CPU {cpu}: rmpopt-table has {cpu in row}, cpu{cpu} has {word}")

    def optimized(self, region):
        """The online CPUs that have a region optimized, if known for all of them."""
        if region in self.rows:
            return self.rows[region]
        if self.complete:
            return frozenset(cpu for cpu, words in self.words.items() if words[region] == "optimized")
        return None

    def blockers_file(self):
        self.blockers = lines(self.host.read("debug/rmpopt/blockers"), "blockers")
        if not self.snp:
            self.demand(not self.blockers, "blockers without SNP_EN")
            return
        for region in self.regions:
            reasons = self.blockers.get(region)
            cpus = self.optimized(region)
            if cpus is not None:
                self.demand(
                    (cpus == self.online) == (reasons is None),
                    f"region {region}: optimized on {sorted(cpus)} of {sorted(self.online)}, blockers: {reasons}")
            for cpu, words in self.words.items():
                self.demand(words[region] == "optimized" or reasons, f"region {region}: cpu{cpu} has {words[region]}, no blocker")
            if reasons is None:
                continue
            pages = re.findall(r"(\d+) pages", reasons)
            if pages:
                self.demand(sum(map(int, pages)) <= 1 << 18, f"region {region}: {reasons}: more pages than it has")
                self.demand(not cpus, f"region {region}: {reasons}, and optimized on {cpus}")
                self.demand("not scanned" not in reasons, f"region {region}: {reasons}")
            match = re.search(r"outside the window of CPU\(s\) ([\d,-]+)", reasons)
            outside = numbers(match[1]) if match else frozenset()
            for cpu, words in self.words.items():
                if words[region] == "optimized":
                    self.demand(cpu not in outside, f"region {region}: outside for {cpu}, and optimized")
                if "RMPOPT not enabled" not in reasons:
                    self.demand((words[region] == "outside") == (cpu in outside),
                                f"region {region}: cpu{cpu} has {words[region]}, blockers: {reasons}")

    def counts(self):
        """The numbers of regions that are optimized on all, on some, and on none of the online CPUs, if known."""
        counts = [0, 0, 0]
        for region in self.regions:
            cpus = self.optimized(region)
            if cpus is None:
                return None
            counts[0 if cpus == self.online else 1 if cpus else 2] += 1
        return counts

    def metrics_file(self):
        values = metrics(self.host.read("debug/rmpopt/metrics"))
        name = "rmpopt_cpu_regions_optimized"
        told = {int(label) for metric, label in values if metric == name}
        self.demand(told == self.online, f"metrics: CPUs {sorted(told)}, online are {sorted(self.online)}")
        for cpu, words in self.words.items():
            count = list(words.values()).count("optimized")
            self.demand(values[name, str(cpu)] == count, f"metrics: CPU {cpu} has {values[name, str(cpu)]}, its file {count}")
        counts = self.counts()
        for number, label in enumerate(("all", "some", "none")):
            value = values["rmpopt_regions_optimized", label]
            if counts:
                self.demand(value == counts[number], f"metrics: {label}: {value}, the files have {counts[number]}")
        held = sum(value for (metric, _), value in values.items() if metric == "rmpopt_regions_held_back")
        whole = values["rmpopt_regions_optimized", "all"]
        if self.snp:
            self.demand(held + whole == len(self.regions), f"metrics: {held} held back, {whole} optimized on all CPUs")
        self.demand(values["rmpopt_regions", None] == len(self.regions), "metrics: rmpopt_regions")
        self.demand(values["rmpopt_snp_enabled", None] == self.snp, "metrics: rmpopt_snp_enabled")
        kinds = {"rmp_table": "RMP table ", "firmware": "firmware ", "guest": "guest ", "leaked": "leaked "}
        for label, word in kinds.items():
            count = sum(any(reason.startswith(word) for reason in re.split(", (?=[A-Za-z])", text))
                        for text in self.blockers.values())
            value = values["rmpopt_regions_blocked", label]
            if self.snp:
                self.demand(value == count, f"metrics: blocked by {label}: {value}, blockers have {count}")
        self.demand(values["rmpopt_guests", None] == len(self.names("rmpsim/guests")), "metrics: rmpopt_guests")
        self.values = values

    def guests(self):
        ordinary = 0
        for name in self.names("rmpsim/guests"):
            folder = f"rmpsim/guests/{name}/"
            if self.host.read(folder + "state") != "running\n":
                continue
            text = self.host.read(folder + "regions").strip()
            private = int(self.host.read(folder + "convert").split()[1])
            memory = int(self.host.read(folder + "memory")) // 4096
            self.demand(private <= memory, f"{name}: {private} private pages of {memory}")
            asid = int(self.host.read(folder + "asid"))
            if self.host.read(folder + "type") == "ordinary\n":
                self.demand(asid == 0 and private == 0, f"{name} is ordinary, with ASID {asid}, {private} private pages")
                ordinary += (memory + 511) // 512 << 21
                continue
            self.demand(asid > 0, f"{name} is running without an ASID")
            if private == memory and "..." not in text and self.snp:
                for region in numbers(text):
                    self.demand(f"(asid {asid}) " in self.blockers.get(region, ""), f"{name}: region {region} has no blocker")

        self.memory({"guest": ordinary, "host": self.number("host"), "page_cache": self.number("page_cache")})

    def number(self, file):
        return int(self.host.read("rmpsim/memory/" + file))

    def memory(self, uses):
        """What is free, by node and in all, and who holds what is no SNP guest's."""
        total, *nodes = self.host.read("rmpsim/memory/free").splitlines()
        free = [[int(word.split("=")[1]) for word in line.split()] for line in nodes]
        self.demand(sum(node[1] for node in free) == int(total), f"free: {total} in all, {nodes}")
        self.demand(all(node[2] <= node[1] for node in free), f"free: a block is larger than its node's memory: {nodes}")
        for use, count in uses.items():
            value = self.values["rmpopt_ordinary_memory_bytes", use]
            self.demand(value == count, f"metrics: {value} bytes of {use}, its files have {count}")
        value = self.values["rmpopt_memory_free_bytes", None]
        self.demand(value == int(total), f"metrics: {value} bytes free, the file has {total}")

    def entries(self):
        """Some pages, read with RMPREAD: an assigned one must block its region."""
        for _ in range(6):
            if not self.regions:
                return
            region = self.random.choice(self.regions)
            address = (region << 30) + (self.random.randrange(1 << 18) << 12)
            if self.host.write("rmpsim/memory/rmpread", b"0x%x" % address):
                continue
            if "assigned=1" in self.host.read("rmpsim/memory/rmpread") and self.snp:
                self.demand("pages" in self.blockers.get(region, ""), f"a page at {address:#x} is assigned, no blocker")

    def status_and_map(self):
        done = rmpfs("status", "--json", self.host.path)
        self.demand(done.returncode == 0, f"status: {done.stderr.decode(errors='replace')}")
        status = json.loads(done.stdout)
        self.demand(status["cpus"]["online"] == len(self.online), f"status: {status['cpus']}, online {len(self.online)}")
        kinds = ["all", "some", "none"]
        told = [status["regions"]["optimized_on_" + kind] for kind in kinds]
        known = self.counts()
        if not known:
            known = [self.values["rmpopt_regions_optimized", kind] for kind in kinds]
        self.demand(told == known, f"status has {told}, the files {known}")
        done = rmpfs("map", self.host.path)
        self.demand(done.returncode == 0, f"map: {done.stderr.decode(errors='replace')}")
        text = done.stdout.decode()
        match = re.search(r"optimized on all: (\d+) .*on some: (\d+), on none: (\d+)", text)
        self.demand(match and [int(part) for part in match.groups()] == known, f"map has {match and match[0]}, the files {known}")
        cells = "".join(re.findall(r"^ *\d+ GB  (\S+)$", text, re.M))[::2]
        if len(cells) == len(self.regions):
            count = [cells.count("."), cells.count("S")]
            self.demand(count == known[:2], f"the map's cells have {count}, the files {known}")

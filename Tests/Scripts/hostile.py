#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Hostile clients for hostile.sh: each checks the answers and exits with 0, or says what was wrong.
#
#   hostile.py descriptors MOUNT PID COUNT MEGABYTES   COUNT descriptors stopped in the middle of texts
#   hostile.py bytewise MOUNT                          one byte at a time while the tables change
#   hostile.py names MOUNT                             guests' names of any bytes
#   hostile.py writes MOUNT SEED                       any bytes into every file that can be written
#   hostile.py offsets MOUNT                           huge offsets in every file

import errno
import os
import random
import resource
import stat
import sys


def fail(text):
    sys.exit(text)


def content(path):
    with open(path, "rb", buffering=0) as file:
        parts = []
        while part := file.read(1 << 20):
            parts.append(part)
        return b"".join(parts)


def store(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def files(mount):
    for folder, _, names in os.walk(os.fsencode(mount)):
        for name in sorted(names):
            yield os.path.join(folder, name)


def memory(pid):
    """Resident bytes of a process."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Tables:
    """Makes the tables change: a guest that starts and stops."""

    def __init__(self, mount):
        self.guest = os.path.join(mount, f"rmpsim/guests/changer{os.getpid()}")
        self.clock = os.path.join(mount, "rmpsim/clock")
        os.mkdir(self.guest)
        store(self.guest + "/memory", "1G")
        self.runs = False

    def change(self):
        self.runs = not self.runs
        store(self.guest + "/state", "running" if self.runs else "stopped")
        # A guest ends over a time, and a pass takes one.
        store(self.clock, "+10s")


def descriptors(mount, pid, count, megabytes):
    count, megabytes = int(count), int(megabytes)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < count + 100:
        try:
            hard = count + 100
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            fail(f"cannot open {count} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    debug = os.path.join(mount, "debug/rmpopt")
    names = sorted(name for name in os.listdir(debug) if name.startswith("cpu"))
    texts = {name: content(os.path.join(debug, name)) for name in names}
    before, most, taken = memory(pid), 0, 100
    tables = Tables(mount)
    opened = []
    for number in range(count):
        name = names[number % len(names)]
        descriptor = os.open(os.path.join(debug, name), os.O_RDONLY)
        opened.append((descriptor, name))
        # In the first half nothing changes: what is read later must be the same text to the last byte.
        if number >= count // 2 and number % 8 == 0:
            tables.change()
        if len(os.read(descriptor, taken)) != taken:
            fail(f"{name}: a short read")
        if number % 100 == 0:
            most = max(most, memory(pid))
    most = max(most, memory(pid))
    if most - before > megabytes << 20:
        fail(f"{count} descriptors in the middle of a text cost {most - before} bytes")
    if tables.runs:
        tables.change()
    now = {name: content(os.path.join(debug, name)) for name in names}
    lines = {name: text.count(b"\n") for name, text in now.items()}
    for number, (descriptor, name) in enumerate(opened):
        rest = b""
        while part := os.read(descriptor, 1 << 17):
            rest += part
        if number < count // 4 and texts[name] == now[name] and rest != texts[name][taken:]:
            fail(f"{name}: descriptor {number} goes on with something else")
        if abs(rest.count(b"\n") + texts[name][:taken].count(b"\n") - lines[name]) > 1:
            fail(f"{name}: descriptor {number} does not come to the end")
        most = max(most, memory(pid)) if number % 100 == 0 else most
        os.close(descriptor)
    if most - before > megabytes << 20:
        fail(f"reading on in {count} descriptors costs {most - before} bytes")
    print(f"{count} descriptors: at most {(most - before) >> 10} KB more")


def bytewise(mount):
    path = os.path.join(mount, "debug/rmpopt/cpu0")
    whole = content(path)
    tables = Tables(mount)
    slow = os.open(path, os.O_RDONLY)
    text = b""
    for number in range(min(len(whole), 3000)):
        text += os.read(slow, 1)
        if number % 100 == 0:
            tables.change()
            # Others are served in between, from the present tables.
            content(path)
            content(os.path.join(mount, "rmpopt/action"))
    while part := os.read(slow, 1 << 17):
        text += part
    if text != whole:
        fail("the text of a slow reader is not that of its first read")


def names(mount):
    guests = os.fsencode(os.path.join(mount, "rmpsim/guests"))
    there = set(os.listdir(guests))
    some = [bytes([byte]) for byte in range(1, 256) if byte not in b"/."]
    some += [b"x" + bytes([byte]) + b"y" for byte in range(1, 256) if byte != 0x2F]
    some += [b"x" * 255, b"\xff" * 255, "é".encode() * 127, "\U0001f512".encode() * 63, b"\xc3\x28", b"\xed\xa0\x80",
             b"...", b"%s%n%x", b"-rf", b"a\nb 1 2", b"\x1b[31m",
             b"\xf4\x90\x80\x80", "\u202e\u0301".encode()]
    some = list(dict.fromkeys(some))
    made = set()
    for name in some:
        try:
            os.mkdir(os.path.join(guests, name))
            made.add(name)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENAMETOOLONG):
                fail(f"mkdir {name!r}: {error}")
    if set(os.listdir(guests)) != there | made:
        fail("the folder does not list what was made")
    for length in (256, 4000):
        try:
            os.mkdir(os.path.join(guests, b"x" * length))
            fail(f"a name of {length} bytes was taken")
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                fail(f"a name of {length} bytes: {error}")
    # Some of them run, so that their names come into the texts.
    for name in sorted(made)[:40]:
        folder = os.path.join(guests, name)
        for file, text in ((b"memory", b"64M"), (b"state", b"running")):
            descriptor = os.open(os.path.join(folder, file), os.O_WRONLY)
            os.write(descriptor, text)
            os.close(descriptor)
    for path in files(os.path.join(mount, "debug")):
        if stat.S_IMODE(os.stat(path).st_mode) & 0o444:
            content(path)
    for name in made:
        folder = os.path.join(guests, name)
        descriptor = os.open(os.path.join(folder, b"state"), os.O_WRONLY)
        try:
            os.write(descriptor, b"stopped")
        except OSError as error:
            if error.errno != errno.EINVAL:
                fail(f"{name!r} cannot be stopped: {error}")
        os.close(descriptor)
        os.rmdir(folder)
    print(f"{len(made)} of {len(some)} names were taken")


REFUSALS = {errno.EINVAL, errno.EPERM, errno.EACCES, errno.EBUSY, errno.ERANGE, errno.ENOSPC, errno.ENODEV, errno.E2BIG,
            errno.ENOMEM, errno.EOPNOTSUPP, errno.EFBIG, errno.EOVERFLOW, errno.ESPIPE, errno.ENOENT, errno.EEXIST}


def writes(mount, seed):
    chance = random.Random(int(seed))
    os.mkdir(os.path.join(mount, f"rmpsim/guests/any{seed}"))
    # Must not contain a guest's end or a step of time by accident: none of these words, but everything around them.
    pieces = [b"0", b"1", b"-", b"+", b"0x", b"\n", b"\0", b" ", b",", b"=", b"%s", b"\xff", b"9" * 25, b"K", b"T",
              b"runnin"]
    taken = 0
    for path in files(mount):
        if not os.stat(path).st_mode & 0o222:
            continue
        for turn in range(40):
            data = chance.choice([
                lambda: chance.randbytes(chance.choice([1, 2, 16, 4095, 4096, 5000])),
                lambda: b"".join(chance.choices(pieces, k=chance.randint(1, 12))),
                lambda: chance.choice(pieces) * chance.choice([1, 255, 4096, 70000]),
            ])()
            try:
                descriptor = os.open(path, os.O_WRONLY)
                try:
                    offset = chance.choice([0, 0, 1, 4096, (1 << 62)])
                    taken += 1 if os.pwrite(descriptor, data, offset) >= 0 else 0
                finally:
                    os.close(descriptor)
            except OSError as error:
                if error.errno not in REFUSALS:
                    fail(f"{path!r} turn {turn}, {data[:40]!r}: {error}")
    os.rmdir(os.path.join(mount, f"rmpsim/guests/any{seed}"))
    print(f"{taken} writes were taken, seed {seed}")


def offsets(mount):
    for path in files(mount):
        mode = os.stat(path).st_mode
        if not mode & 0o444:
            continue
        descriptor = os.open(path, os.O_RDONLY)
        for offset in (1 << 20, 1 << 31, (1 << 32) - 1, 1 << 53, 1 << 62, (1 << 63) - 4097, (1 << 63) - 1):
            try:
                if part := os.pread(descriptor, 4096, offset):
                    if offset >= 1 << 31:
                        fail(f"{path!r}: {len(part)} bytes at {offset}")
            except OSError as error:
                if error.errno not in REFUSALS:
                    fail(f"{path!r} at {offset}: {error}")
            for whence in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END, os.SEEK_DATA, os.SEEK_HOLE, 77):
                try:
                    os.lseek(descriptor, offset, whence)
                except OSError as error:
                    if error.errno not in REFUSALS | {errno.ENXIO}:
                        fail(f"{path!r} lseek {offset} {whence}: {error}")
        os.close(descriptor)


CLIENTS = {"descriptors": descriptors, "bytewise": bytewise, "names": names, "writes": writes, "offsets": offsets}
CLIENTS[sys.argv[1]](*sys.argv[2:])

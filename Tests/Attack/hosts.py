# SPDX-License-Identifier: Apache-2.0
"""A mounted host under attack: mounting, using and removing it, with every wait bounded."""

import os
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Scripts"))
from documented import NAMES  # noqa: E402  (the folder is known only here)

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
PROGRAM = os.path.realpath(os.environ.get("RMPFS") or os.path.join(TOP, ".build", "debug", "rmpfs"))
# How long any command may take.
PATIENCE = 60


class Fault(Exception):
    """Something that rmpfs must not do."""


def rmpfs(*words, timeout=PATIENCE, **others):
    """Runs the program; a command that does not end is a fault."""
    try:
        return subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, **others)
    except subprocess.TimeoutExpired as expired:
        raise Fault(f"not ended within {timeout} s: {words}") from expired


def series():
    """The names of all versions."""
    text = rmpfs("series").stdout.decode()
    names = [line.split()[0] for line in text.split("posted:\n")[1].split("\npatches:")[0].splitlines()]
    if len(names) < 11:
        raise Fault(f"only {names} are posted")
    return names


def text_of(path):
    """The text of a file of /proc; empty if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def daemons(path=None):
    """Live processes of the program, or only those with `path` in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.realpath(f"/proc/{pid}/exe") != PROGRAM:
                continue
        except OSError:
            continue
        words = text_of(f"/proc/{pid}/cmdline").split("\0")
        if words != [""] and (path is None or path in words):
            found.append(int(pid))
    return found


def mounts(path):
    """Mount points at a path and below it, the innermost first."""
    points = [re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), line.split()[4])
              for line in text_of("/proc/self/mountinfo").splitlines()]
    return [point for point in reversed(points) if point == path or point.startswith(path + "/")]


def within(seconds, condition):
    """Waits until a condition holds; returns whether it does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Host:
    """A host whose clock stands still, mounted on its own folder."""

    def __init__(self, folder, *options):
        self.path = os.path.join(folder, "host")
        os.makedirs(self.path, exist_ok=True)
        self.options = options
        done = rmpfs("mount", "--pace", "0", *options, self.path)
        if done.returncode != 0:
            raise Fault(f"cannot mount {options}: {done.stderr.decode(errors='replace')}")
        self.daemon = daemons(self.path)

    def end(self):
        if self.daemon != daemons(self.path):
            raise Fault("the daemon has ended")
        done = rmpfs("unmount", self.path)
        if done.returncode != 0 or not within(10, lambda: not daemons(self.path) and not mounts(self.path)):
            raise Fault(f"cannot unmount: {done.stderr.decode(errors='replace')}")

    def full(self, path):
        return os.path.join(self.path, path)

    def exists(self, path):
        return os.path.lexists(self.full(path))

    def read(self, path):
        """The whole text."""
        with open(self.full(path), "rb", buffering=0) as file:
            return file.read().decode("latin-1")

    def error_of_read(self, path):
        try:
            self.read(path)
        except OSError as error:
            return NAMES[error.errno]
        return None

    def write(self, path, value):
        """One write(2); the error's name, or None."""
        try:
            descriptor = os.open(self.full(path), os.O_WRONLY)
            try:
                os.write(descriptor, value)
            finally:
                os.close(descriptor)
        except OSError as error:
            return NAMES[error.errno]
        return None

    def call(self, name, path):
        """mkdir(2) or rmdir(2); the error's name, or None."""
        try:
            getattr(os, name)(self.full(path))
        except OSError as error:
            return NAMES[error.errno]
        return None


def clear(folder):
    """Removes all mounts below a folder, ends the daemons and deletes the folder."""
    for point in mounts(folder):
        subprocess.run(["umount", "-l", point], capture_output=True, timeout=PATIENCE, check=False)
    for pid in daemons():
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    if not mounts(folder):
        shutil.rmtree(folder, ignore_errors=True)

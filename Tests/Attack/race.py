# SPDX-License-Identifier: Apache-2.0
"""The race for names: a user keeps exchanging part of a mount's path for a symbolic link while root mounts and unmounts
there. Nothing may be mounted elsewhere, and no other mount may disappear."""

import os
import subprocess
import sys
import time

from hosts import TOP, Fault, daemons, mounts, rmpfs, within

THIEF = os.path.join(TOP, "Tests", "Scripts", "exchange.py")
USER = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]


def attack(folder, random, seconds, note):
    real, link, other = (os.path.join(folder, name) for name in ("evil/real", "evil/link", "other"))
    point, treasure = real + "/mnt", other + "/mnt"
    os.makedirs(point)
    os.makedirs(treasure)
    os.symlink(other, link)
    for path in (folder + "/evil", real, link):
        os.lchown(path, 54321, 54321)
    subprocess.run(["mount", "-t", "tmpfs", "treasure", treasure], check=True, timeout=20)
    thief = subprocess.Popen([*USER, sys.executable, THIEF, real, link], stderr=subprocess.DEVNULL)
    counts = {"mounted": 0, "unmounted": 0, "refused": 0}
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            words = random.choice([("mount", "--cpus", "1", "--memory", "1G"), ("unmount",), ("unmount", "--lazy")])
            done = rmpfs(*words, point, timeout=30)
            counts["refused" if done.returncode else words[0] + "ed"] += 1
            if random.random() < 0.2:
                for pid in daemons():
                    os.kill(pid, 9)
                within(10, lambda: not daemons())
            if mounts(other) != [treasure]:
                raise Fault(f"{words}: now mounted elsewhere: {mounts(other)}, expected {[treasure]}")
            if thief.poll() is not None:
                raise Fault("who exchanges has ended")
    finally:
        thief.kill()
        thief.wait()
    if not counts["mounted"]:
        raise Fault("no mount came true: nothing was tried")
    note(", ".join(f"{count} {name}" for name, count in counts.items()))

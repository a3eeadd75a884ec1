# SPDX-License-Identifier: Apache-2.0
"""The kill loops: kill -9 while a process is at a chosen place in the kernel, or after a random time. Everything ends,
nobody waits forever, and the next mount works. Needs root, who can see where processes wait."""

import os
import random as lots
import subprocess
import time

from hosts import PROGRAM, Fault, daemons, mounts, rmpfs, text_of, within

# Functions of the kernel in which a part may be caught, by the moment that they represent.
RUN = {
    "a client waits for the host": ("request_wait_answer",),
    "mount(2) comes to a path": ("path_mount", "kern_path", "fuse_permission"),
    "the host waits for requests": ("fuse_dev_do_read",),
    "namespaces are copied": ("copy_mnt_ns", "ksys_unshare", "create_new_namespaces", "do_clone"),
    "a part waits for another": ("unix_stream_read", "do_poll", "do_sys_poll", "do_wait", "pipe_read"),
    "somebody ends": ("do_exit", "zap_pid_ns_processes", "fuse_abort", "fuse_kill_sb"),
}
MOUNT = {
    "the device is read": ("fuse_dev_do_read",),
    "mount(2)": ("path_mount", "do_new_mount", "fuse_get_tree", "fuse_fill_super"),
    "the first process waits": ("pipe_read", "do_wait", "anon_pipe_read"),
    "a request waits": ("request_wait_answer",),
    "threads start": ("copy_process", "futex_wait", "futex_do_wait"),
}


def family(pid):
    """A process and all below it."""
    found = [pid]
    for parent in found:
        for task in tasks(parent):
            found += [int(child) for child in text_of(f"/proc/{parent}/task/{task}/children").split()]
    return found


def tasks(pid):
    """The threads of a process; none of one that has gone."""
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def stacks(pids):
    """The kernel stacks of all threads of some processes."""
    text = ""
    for pid in pids:
        text += "".join(text_of(f"/proc/{pid}/task/{task}/stack") for task in tasks(pid))
    return text


def kill(pids, random):
    order = list(pids)
    random.shuffle(order)
    for pid in order:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass


def is_left(pid):
    """Whether a process exists and is not just a zombie."""
    return bool(text_of(f"/proc/{pid}/cmdline"))


def is_released(pipe):
    """Whether nobody holds the other end of a pipe any more."""
    os.set_blocking(pipe.fileno(), False)
    try:
        while os.read(pipe.fileno(), 1 << 16):
            pass
    except BlockingIOError:
        return False
    return True


class Busy:
    """Processes that keep the cores busy, so that others are interrupted in the middle of something."""

    def __enter__(self):
        count = max(1, (os.cpu_count() or 1) - 1)
        self.processes = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()


def catch(process, moments, random, extra=lambda: []):
    """Waits until a part of the process is at a random place, or for a random time; returns the parts, and the
    place."""
    name = random.choice([*moments, "a time by lot"])
    end = time.monotonic() + (random.random() * 0.15 if name not in moments else 2)
    pids = [process.pid]
    while time.monotonic() < end:
        pids = family(process.pid) + extra()
        if name in moments:
            stack = stacks(pids)
            if any(function in stack for function in moments[name]):
                return pids, name
        if process.poll() is not None and not extra():
            return pids, "after its end"
    return pids, "a time by lot"


def attack_run(folder, random, seconds, note):
    """Kills all parts at once, or one of them: the others must end then, and readers of standard error see its end."""
    end = time.monotonic() + seconds
    counts = {}
    commands = [["true"], ["cat", "/sys/kernel/debug/rmpopt/log"], ["sleep", "30"],
                ["sh", "-c", "while :; do cat /sys/kernel/config/rmpopt/*; done >/dev/null"]]
    with Busy():
        while time.monotonic() < end:
            command = random.choice(commands)
            front = subprocess.Popen([PROGRAM, "run", "--cpus", "4", "--memory", "4G", "--", *command], cwd=folder,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            pids, name = catch(front, RUN, random)
            # What the command has started is its own business.
            parts = [pid for pid in pids if pid in daemons()]
            victims = pids if random.random() < 0.6 or not parts else [random.choice(parts)]
            kill(victims, random)
            counts[name] = counts.get(name, 0) + 1
            if not within(10, lambda: front.poll() is not None):
                raise Fault(f"killed {victims} of {pids} at '{name}': the one in front goes on")
            if not within(10, lambda: not any(map(is_left, pids)) and not daemons()):
                states = [(pid, text_of(f"/proc/{pid}/status").splitlines()[:3], text_of(f"/proc/{pid}/stack"))
                          for pid in {*pids, *daemons()} if is_left(pid)]
                raise Fault(f"killed {victims} of {pids} at '{name}': left: {states}")
            if not within(10, lambda: is_released(front.stderr)):
                raise Fault(f"killed {victims} of {pids} at '{name}': standard error is still held")
            front.stderr.close()
    tell(counts, note)


def attack_mount(folder, random, seconds, note):
    """Kills it while it starts, serves or ends; then mounts at the same place."""
    point = os.path.join(folder, "point")
    os.mkdir(point)
    end = time.monotonic() + seconds
    counts = {}
    with Busy():
        while time.monotonic() < end:
            words = [PROGRAM, "mount", "--cpus", "4", "--memory", "4G", point]
            mounter = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            reader = None
            if random.random() < 0.5:
                loop = f"while :; do cat {point}/rmpopt/reenable; done"
                reader = subprocess.Popen(["sh", "-c", loop], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            _, name = catch(mounter, MOUNT, random, daemons)
            kill({mounter.pid, *daemons()}, random)
            counts[name] = counts.get(name, 0) + 1
            mounter.communicate(timeout=20)
            if reader:
                reader.kill()
                reader.wait(timeout=20)
            # One that was just starting is killed, too.
            if not within(10, lambda: not daemons() or kill(daemons(), lots)):
                raise Fault(f"killed at '{name}': left: {[(pid, stacks([pid])) for pid in daemons()]}")
            done = rmpfs("mount", "--cpus", "4", "--memory", "4G", point, timeout=30)
            if done.returncode != 0 or len(mounts(point)) != 1:
                raise Fault(f"killed at '{name}': no mount then: {done.stderr!r}, {mounts(point)}")
            if not os.path.exists(point + "/rmpopt/reenable"):
                raise Fault(f"killed at '{name}': the next mount does not answer")
            done = rmpfs("unmount", point, timeout=30)
            if done.returncode != 0 or not within(10, lambda: not daemons() and not mounts(point)):
                raise Fault(f"killed at '{name}': the next mount stays: {done.stderr!r}")
    tell(counts, note)


def tell(counts, note):
    note("killed: " + ", ".join(f"{count} x {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1])))

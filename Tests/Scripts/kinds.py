#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Makes the same calls on files of one kind, for kinds.sh: each must answer like the first. Contents and accepted values
# do not matter, only whether a call succeeds, and its error if it fails.
#
#   kinds.py [--user UID] [--look-only] [--except CALL]... FILE FILE...
#
# --look-only skips calls that change modes, owners and sizes; --except takes a shell pattern of calls' names.

import argparse
import ctypes
import errno
import fcntl
import fnmatch
import mmap
import os
import select
import socket
import stat
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
ACCESS = {"RDONLY": os.O_RDONLY, "WRONLY": os.O_WRONLY, "RDWR": os.O_RDWR, "access mode 3": 3}
FLAGS = {
    "": 0, "APPEND": os.O_APPEND, "EXCL": os.O_EXCL, "CREAT": os.O_CREAT, "CREAT EXCL": os.O_CREAT | os.O_EXCL,
    "DIRECTORY": os.O_DIRECTORY, "CREAT DIRECTORY": os.O_CREAT | os.O_DIRECTORY, "NOFOLLOW": os.O_NOFOLLOW,
    "PATH": os.O_PATH, "DIRECT": os.O_DIRECT, "NONBLOCK": os.O_NONBLOCK, "NOATIME": os.O_NOATIME,
    "SYNC": os.O_SYNC, "TMPFILE": os.O_TMPFILE,
}
IOCTLS = {
    "TCGETS": 0x5401, "FIONREAD": 0x541B, "FIGETBSZ": 2, "FIBMAP": 1, "FS_IOC_GETFLAGS": 0x80086601,
    "FS_IOC_FSGETXATTR": 0x801C581F, "FICLONE": 0x40049409, "BLKGETSIZE64": 0x80081272, "unknown": 0x12345,
}
MAPS = {"read shared": (1, 1), "read private": (1, 2), "write shared": (3, 1), "execute private": (5, 2)}
XATTRS = ("user.x", "trusted.x", "security.x", "system.posix_acl_access")


def outcome(call, *arguments, value=False):
    """The error's name, or "ok"; with value, the result of the call."""
    try:
        result = call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    except ValueError:  # mmap of an empty file, before the kernel is asked
        return "ok"
    return result if value else "ok"


def libc(name, *arguments):
    if getattr(LIBC, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def long(number):
    return ctypes.c_long(number)


def opening(path, answers):
    for access, access_bits in ACCESS.items():
        for flag, bits in FLAGS.items():
            result = outcome(os.open, path, access_bits | bits, 0o600, value=True)
            answers[f"open {access} {flag}"] = result if isinstance(result, str) else "ok"
            if not isinstance(result, str):
                os.close(result)


def reading(path, answers):
    descriptor = outcome(os.open, path, os.O_RDONLY, value=True)
    if isinstance(descriptor, str):
        return
    def ask(name, call, *arguments, value=False):
        answers[name] = outcome(call, descriptor, *arguments, value=value)
    for length in (1, 4096, 1 << 20):
        ask(f"read {length}", os.read, length)
    for offset, whence in ((0, 0), (-1, 0), (7, 0), (0, 1), (-9, 1), (0, 2), (0, 3), (0, 4), (0, 9)):
        ask(f"lseek {offset} {whence}", os.lseek, offset, whence)
    os.close(os.dup(descriptor))
    for offset in (0, 1, 5000, 1 << 31, (1 << 63) - 1, -1):
        ask(f"pread at {offset}", os.pread, 7, offset)
    for flags in (0, 1, 2, 4, 8, 16, 64):
        ask(f"preadv2 flags {flags}", lambda fd, bits: os.preadv(fd, [bytearray(5)], 0, bits), flags)
    ask("write", os.write, b"1")
    ask("pwrite", os.pwrite, b"1", 0)
    ask("ftruncate", os.ftruncate, 0)
    for mode in (0, 1, 3, 8, 16):
        ask(f"fallocate {mode}", lambda fd, bits: libc("fallocate", fd, bits, long(0), long(9)), mode)
    ask("fsync", os.fsync)
    ask("fdatasync", os.fdatasync)
    ask("flock", fcntl.flock, fcntl.LOCK_SH)
    ask("lock to read", fcntl.lockf, fcntl.LOCK_SH)
    ask("lock to write", fcntl.lockf, fcntl.LOCK_EX | fcntl.LOCK_NB)
    ask("lease", fcntl.fcntl, 1024, fcntl.F_RDLCK)
    outcome(fcntl.fcntl, descriptor, 1024, fcntl.F_UNLCK)
    for name, number in IOCTLS.items():
        ask(f"ioctl {name}", lambda fd, code: fcntl.ioctl(fd, code, bytearray(256)), number)
    for name, (protection, flags) in MAPS.items():
        ask(f"mmap {name}", lambda fd, p, f: mmap.mmap(fd, 4096, flags=f, prot=p).close(), protection, flags)
    poll = select.poll()
    poll.register(descriptor, 0xFFFF)
    answers["poll"] = poll.poll(0)[0][1]
    with select.epoll() as epoll:
        ask("epoll", epoll.register, 1)
    ask("fcntl O_DIRECT", fcntl.fcntl, fcntl.F_SETFL, os.O_DIRECT)
    ask("getdents", os.listdir)
    ask("fchdir", os.fchdir)
    ask("fadvise", os.posix_fadvise, 0, 0, os.POSIX_FADV_WILLNEED)
    ask("sync_file_range", lambda fd: libc("sync_file_range", fd, long(0), long(0), 7))
    ask("isatty", os.isatty, value=True)
    ask("statvfs", lambda fd: os.fstatvfs(fd).f_namemax, value=True)
    what = os.fstat(descriptor)
    answers["fstat"] = (stat.S_IFMT(what.st_mode), what.st_nlink, what.st_size, what.st_blocks, what.st_blksize)
    os.close(descriptor)


def writing(path, answers):
    descriptor = outcome(os.open, path, os.O_RDWR, value=True)
    if isinstance(descriptor, str):
        return
    # No file accepts this value.
    answers["refused write"] = outcome(os.write, descriptor, b"\xff\xff")
    answers["refused pwrite"] = outcome(os.pwrite, descriptor, b"\xff\xff", 3)
    answers["pwrite at -1"] = outcome(os.pwrite, descriptor, b"\xff", -1)
    answers["position after"] = outcome(os.lseek, descriptor, 0, 1, value=True)
    os.close(descriptor)


def naming(path, answers):
    new = path + ".new"
    def bind():
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(new[-100:] if len(new) > 100 else new)
    calls = {
        "unlink": lambda: os.unlink(path), "rmdir": lambda: os.rmdir(path), "rename": lambda: os.rename(path, new),
        "rename to itself": lambda: os.rename(path, path), "link": lambda: os.link(path, new),
        "symlink": lambda: os.symlink("x", new), "symlink over it": lambda: os.symlink("x", path),
        "mkdir over it": lambda: os.mkdir(path), "mknod": lambda: os.mknod(new, 0o644),
        "mkfifo": lambda: os.mkfifo(new), "bind": bind, "readlink": lambda: os.readlink(path),
        "chdir": lambda: os.chdir(path), "execve": lambda: os.execv(path, ["x"]),
        "stat below it": lambda: os.stat(path + "/x"), "stat with a slash": lambda: os.stat(path + "/"),
    }
    for name, call in calls.items():
        answers[name] = outcome(call)
    for name in XATTRS:
        answers[f"getxattr {name}"] = outcome(os.getxattr, path, name)
    answers["listxattr"] = outcome(os.listxattr, path, value=True)
    for name, mode in (("R", os.R_OK), ("W", os.W_OK), ("X", os.X_OK)):
        answers[f"access {name}"] = os.access(path, mode)


def changing(path, answers):
    """Modes, owners, times and sizes, which are restored."""
    for name in XATTRS[:3]:
        answers[f"setxattr {name}"] = outcome(os.setxattr, path, name, b"v")
        answers[f"removexattr {name}"] = outcome(os.removexattr, path, name)
    before = outcome(os.stat, path, value=True)
    if isinstance(before, str):
        return
    now = lambda: os.stat(path)
    answers["chmod"] = (outcome(os.chmod, path, 0o7600), oct(now().st_mode & 0o7777))
    answers["chmod back"] = outcome(os.chmod, path, stat.S_IMODE(before.st_mode))
    answers["chown"] = (outcome(os.chown, path, 1, 2), now().st_uid, now().st_gid)
    answers["chown back"] = outcome(os.chown, path, before.st_uid, before.st_gid)
    answers["utimes"] = outcome(os.utime, path, (5, 6))
    answers["truncate"] = (outcome(os.truncate, path, 10), now().st_size)
    answers["truncate to -1"] = outcome(os.truncate, path, -1)
    answers["truncate to 2^31"] = outcome(os.truncate, path, 1 << 31)
    answers["truncate back"] = (outcome(os.truncate, path, before.st_size), now().st_size)


def answers_of(path, options):
    """In a separate process, optionally as another user."""
    near, far = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(near)
        if options.user is not None:
            os.setgroups([])
            os.setgid(options.user)
            os.setuid(options.user)
        answers = {}
        parts = [opening, reading, writing, naming] + ([] if options.look_only else [changing])
        for part in parts:
            part(path, answers)
        with os.fdopen(far, "w") as pipe:
            pipe.writelines(f"{name}\t{answer}\n" for name, answer in answers.items())
        os._exit(0)
    os.close(far)
    with os.fdopen(near) as pipe:
        answers = dict(line.rstrip("\n").split("\t") for line in pipe)
    if os.waitpid(child, 0)[1] != 0:
        sys.exit(f"{path}: the calls could not be made")
    return answers


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--user", type=int)
    parser.add_argument("--look-only", action="store_true")
    parser.add_argument("--except", dest="left_out", action="append", default=[])
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    first, *others = options.files
    expected = answers_of(first, options)
    if len(expected) < 40:
        sys.exit(f"{first}: only {len(expected)} calls could be made")
    differences = 0
    for path in others:
        given = answers_of(path, options)
        for name in sorted(expected.keys() | given.keys()):
            if any(fnmatch.fnmatch(name, pattern) for pattern in options.left_out):
                continue
            if given.get(name) != expected.get(name):
                differences += 1
                print(f"{path}: {name}: {given.get(name)}, but {expected.get(name)} of {first}")
    print(f"{len(expected)} calls, {len(others)} files, {differences} differences")
    sys.exit(differences > 0)


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# One system call from a shell test, with its exact outcome: the shell's own redirections hide errno and retry.
#
#   call.py write PATH TEXT     open for writing, one write(2) of TEXT; \n, \0 and \xNN stand for bytes
#   call.py read PATH           open, read to the end with large reads
#   call.py open PATH FLAGS     such as RDWR|TRUNC
#   call.py mkdir|rmdir|unlink|stat PATH
#   call.py rename PATH PATH

import errno
import os
import sys


def write(path, text):
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    return os.write(descriptor, text.encode("latin-1").decode("unicode_escape").encode("latin-1"))


def read(path):
    descriptor = os.open(path, os.O_RDONLY)
    total = 0
    while chunk := os.read(descriptor, 1 << 17):
        total += len(chunk)
    return total


def open_only(path, flags):
    os.close(os.open(path, sum(getattr(os, "O_" + flag) for flag in flags.split("|"))))
    return 0


CALLS = {
    "write": write, "read": read, "open": open_only, "mkdir": os.mkdir, "rmdir": os.rmdir, "unlink": os.unlink,
    "rename": os.rename, "stat": lambda path: os.stat(path).st_size,
}

try:
    print(CALLS[sys.argv[1]](*sys.argv[2:]) or 0)
except OSError as error:
    print(errno.errorcode[error.errno])

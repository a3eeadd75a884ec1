#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Many clients at once, for faults.sh: threads that each wait in one system call.
#
#   faults.py reads COUNT PATH GO      COUNT threads read PATH once; prints how many ended how, when all have ended.
#                                      Makes the file GO when all are about to read.
#   faults.py sequence COUNT PATH      COUNT times open and read; prints one letter each: . for a text, else the error
#   faults.py sizes BYTES PATH         reads PATH with read(2) of BYTES; prints each read's length

import collections
import errno
import os
import sys
import threading


def outcome(call):
    try:
        return call()
    except OSError as error:
        return errno.errorcode[error.errno]


def whole(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return "text" if os.read(descriptor, 4096) else "nothing"
    finally:
        os.close(descriptor)


def reads(count, path, go):
    outcomes = collections.Counter()
    lock = threading.Lock()
    ready = threading.Barrier(int(count) + 1)

    def work():
        ready.wait()
        ended = outcome(lambda: whole(path))
        with lock:
            outcomes[ended] += 1

    threading.stack_size(1 << 17)
    threads = [threading.Thread(target=work) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    ready.wait()
    open(go, "w").close()
    for thread in threads:
        thread.join()
    print(" ".join(f"{name} {number}" for name, number in sorted(outcomes.items())))


def sequence(count, path):
    print(" ".join("." if (ended := outcome(lambda: whole(path))) == "text" else ended for _ in range(int(count))))


def sizes(size, path):
    descriptor = os.open(path, os.O_RDONLY)
    lengths = []
    while not lengths or lengths[-1]:
        lengths.append(len(os.read(descriptor, int(size))))
    print(" ".join(str(length) for length in lengths))


{"reads": reads, "sequence": sequence, "sizes": sizes}[sys.argv[1]](*sys.argv[2:])

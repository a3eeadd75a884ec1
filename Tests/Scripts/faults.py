#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
# Many clients at once, for faults.sh: threads that each wait in one system call.
#
#   faults.py reads COUNT PATH GO      COUNT threads read PATH once; prints how many ended how, when all have ended.
#                                      Creates the file GO when all are about to read.
#   faults.py sequence COUNT PATH      opens and reads COUNT times; prints one letter each: . for a text, or the error
#   faults.py sizes BYTES PATH         reads PATH with read(2) of BYTES; prints each read's length
#   faults.py storm ROUNDS SEED MOUNT  makes and removes ROUNDS random faults in each of 4 threads, while 12 others use
#                                      the mount; prints what went wrong with a fault itself, which nothing may strike

import collections
import errno
import os
import random
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


SETTINGS = {
    "path": ["**", "*", "debug/**", "rmpopt/*", "rmpsim/guests/*", "debug/rmpopt/cpu[0-3]"],
    "operation": ["any", "open", "read", "write", "lookup", "getattr", "readdir", "mkdir", "rmdir", "pass"],
    "errno": ["0", "EIO", "ENOENT", "ESTALE"],
    "delay_ms": ["0", "0", "1", "20"],
    "short": ["-1", "0", "1", "100"],
    "probability": ["1", "30%"],
    "count": ["-1", "5", "50"],
}


def put(path, text):
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def make_faults(rounds, chance, folder):
    for _ in range(rounds):
        os.mkdir(folder)
        for name, values in SETTINGS.items():
            put(f"{folder}/{name}", chance.choice(values))
        threading.Event().wait(chance.random() * 0.02)
        os.rmdir(folder)


def use(chance, mount, guest):
    debug = f"{mount}/debug/rmpopt"
    what = chance.randrange(5)
    if what == 0:
        whole(f"{debug}/cpu{chance.randrange(16)}")
    elif what == 1:
        put(f"{mount}/rmpopt/action", "1")
    elif what == 2:
        for name in os.listdir(debug):
            os.stat(f"{debug}/{name}")
    elif what == 3:
        whole(f"{debug}/rmpopt-table")
    else:
        os.mkdir(guest)
        try:
            whole(f"{guest}/state")
        finally:
            os.rmdir(guest)


def storm(rounds, seed, mount):
    wrong, over = [], threading.Event()

    def maker(number):
        chance = random.Random(f"{seed} maker {number}")
        try:
            make_faults(int(rounds), chance, f"{mount}/rmpsim/faults/storm{number}")
        except OSError as error:
            wrong.append(str(error))

    def client(number):
        chance = random.Random(f"{seed} client {number}")
        while not over.is_set():
            outcome(lambda: use(chance, mount, f"{mount}/rmpsim/guests/storm{number}"))

    makers = [threading.Thread(target=maker, args=(number,)) for number in range(4)]
    clients = [threading.Thread(target=client, args=(number,)) for number in range(12)]
    for thread in makers + clients:
        thread.start()
    for thread in makers:
        thread.join()
    over.set()
    for thread in clients:
        thread.join()
    print("\n".join(wrong))


{"reads": reads, "sequence": sequence, "sizes": sizes, "storm": storm}[sys.argv[1]](*sys.argv[2:])

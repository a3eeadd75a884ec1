#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small automounter, as systemd is one for x-systemd.automount: autofs.py FOLDER COMMAND...

Puts autofs (direct, protocol 5) over FOLDER in this mount namespace, which must be a private one, for its own process
group. Twice lets a client in a session of its own read a file below FOLDER, runs COMMAND in its own process group when
the kernel asks for the mount, and takes the mount away again. Prints what COMMAND and the client came to.
"""

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys

READY, FAIL = 0x9360, 0x9361  # <linux/auto_fs.h>: _IO(0x93, 0x60), _IO(0x93, 0x61)
PACKET = struct.Struct("=iiIIQIIIII256s4x")  # struct autofs_v5_packet
MISSING_DIRECT = 5
SECONDS = 20

libc = ctypes.CDLL(None, use_errno=True)


def mount_autofs(folder, pipe):
    words = f"fd={pipe},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct"
    if libc.mount(b"autofs-test", os.fsencode(folder), b"autofs", 0, words.encode()) != 0:
        sys.exit(f"autofs: {os.strerror(ctypes.get_errno())}")


def run(command):
    """The exit status of a command in this process group."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        return "does not end"


def answer(root, requests, command):
    """Waits for the kernel to ask, mounts, and says so."""
    if not select.select([requests], [], [], SECONDS)[0]:
        return "nobody asked"
    kind, token = PACKET.unpack(os.read(requests, PACKET.size))[1:3]
    if kind != MISSING_DIRECT:
        return f"packet {kind}"
    status = run(command)
    fcntl.ioctl(root, READY if status == 0 else FAIL, token)
    return status


def main():
    folder, command = sys.argv[1], sys.argv[2:]
    requests, pipe = os.pipe()
    mount_autofs(folder, pipe)
    os.close(pipe)
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(2):
        client = subprocess.Popen(["cat", os.path.join(folder, "rmpopt/reenable")], stdout=subprocess.DEVNULL,
                                  start_new_session=True)
        print("mount:", answer(root, requests, command), flush=True)
        try:
            print("client:", client.wait(SECONDS), flush=True)
        except subprocess.TimeoutExpired:
            client.kill()
            print("client: does not end", flush=True)
        print("umount:", run(["umount", folder]), flush=True)
    os.close(requests)
    os.close(root)


main()

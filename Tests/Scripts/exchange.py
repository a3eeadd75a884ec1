#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exchanges two names all the time, as who wants to lead others astray: exchange.py A B (renameat2(2))."""

import ctypes
import os
import sys

AT_FDCWD, RENAME_EXCHANGE = -100, 2
libc = ctypes.CDLL(None, use_errno=True)
first, second = (os.fsencode(name) for name in sys.argv[1:3])
while True:
    if libc.renameat2(AT_FDCWD, first, AT_FDCWD, second, RENAME_EXCHANGE) != 0:
        sys.exit(f"exchange: {os.strerror(ctypes.get_errno())}")

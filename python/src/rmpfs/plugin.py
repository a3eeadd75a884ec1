# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: the fixture `rmpfs_host` makes hosts that are gone when the test is over."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import Any, Callable, Iterator

import pytest

from .host import Host


@pytest.fixture
def rmpfs_host() -> Iterator[Callable[..., Host]]:
    """Call it with the arguments of `rmpfs.Host`, as often as needed. Skips where hosts cannot be mounted."""
    program = os.environ.get("RMPFS", "rmpfs")
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not there; install rmpfs, or set RMPFS")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse")
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(_host(options))


def _host(options: "dict[str, Any]") -> Host:
    return Host(**options)

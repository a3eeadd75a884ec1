# SPDX-License-Identifier: Apache-2.0
"""A mounted host: it lives as long as the object, and not longer than the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Dict, FrozenSet, List, Optional, Type, Union

from . import parsed

Size = Union[int, str]


class RmpfsError(Exception):
    """What the rmpfs command says when it refuses something."""


class Host:
    """A simulated host, mounted in a folder of its own.

    cpus, memory, machine, series and boot are those of `rmpfs mount`; pace is a factor, 0 (time passes by `advance`,
    `next` and `idle` only) or "instant". record names a file for `rmpfs replay`. The program is `RMPFS`, or rmpfs in
    PATH. The mount ends with this process, whatever ends it.
    """

    def __init__(
        self,
        cpus: Optional[int] = None,
        memory: Optional[Size] = None,
        machine: Optional[Union[str, "os.PathLike[str]"]] = None,
        series: Optional[str] = None,
        pace: Union[int, float, str] = 1,
        boot: Optional[str] = None,
        record: Optional[Union[str, "os.PathLike[str]"]] = None,
        program: Optional[str] = None,
    ) -> None:
        self.program = program or os.environ.get("RMPFS", "rmpfs")
        self._folder = tempfile.mkdtemp(prefix="rmpfs-")
        self.path = Path(self._folder, "host")
        self.path.mkdir()
        words = ["mount", "--die-with-parent"]
        for name, value in [
            ("cpus", cpus), ("memory", memory), ("machine", machine), ("series", series), ("pace", pace),
            ("boot", boot), ("record", record),
        ]:
            if value is not None:
                words.append(f"--{name}={os.fspath(value) if isinstance(value, os.PathLike) else value}")
        try:
            self._call(*words, str(self.path))
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._is_mounted = True

    def _call(self, *words: str, timeout: float = 60) -> str:
        done = subprocess.run(
            [self.program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode == 124:
            raise TimeoutError(done.stderr.strip())
        if done.returncode != 0:
            raise RmpfsError(done.stderr.strip())
        return done.stdout

    def close(self) -> None:
        """Unmounts; files that are still open see the mount's end when they are closed."""
        if not self._is_mounted:
            return
        self._is_mounted = False
        self._call("unmount", "--lazy", str(self.path))
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Host":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    # Files

    def read(self, file: str) -> str:
        """The text of a file below the mount point."""
        return (self.path / file).read_text(encoding="utf-8", errors="surrogateescape")

    def write(self, file: str, value: object) -> None:
        """Writes a value in one write(2); OSError is the kernel's own errno."""
        descriptor = os.open(self.path / file, os.O_WRONLY)
        try:
            os.write(descriptor, f"{value}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            # Of a write(2) the kernel tells neither the file nor what was wrong with which value.
            reason = f"{error.strerror} (for {str(value)!r})"
            raise OSError(error.errno, reason, str(self.path / file)) from None
        finally:
            os.close(descriptor)

    # Time

    @property
    def clock(self) -> int:
        """Virtual time since boot in ns."""
        return int(self.read("rmpsim/clock"))

    def advance(self, step: Union[int, str]) -> None:
        """Lets time pass: ns, or a text such as "250ms" or "1.5s"."""
        text = f"{step}ns" if isinstance(step, int) else step.lstrip("+")
        self.write("rmpsim/clock", f"+{text}")

    def next(self) -> None:
        """Lets time pass until the next event."""
        self.write("rmpsim/clock", "+next")

    def idle(self) -> None:
        """Lets time pass until nothing is pending."""
        self.write("rmpsim/clock", "idle")

    @property
    def pace(self) -> str:
        """Virtual seconds per second, as written."""
        return self.read("rmpsim/pace").strip()

    @pace.setter
    def pace(self, value: Union[int, float, str]) -> None:
        self.write("rmpsim/pace", value)

    def wait(
        self,
        *,
        number: Optional[int] = None,
        guest: Optional[str] = None,
        state: Optional[str] = None,
        event: Optional[str] = None,
        since: Optional[int] = None,
        timeout: float = 30,
    ) -> Optional[parsed.Event]:
        """Waits, asleep, until nothing is pending; or until pass `number` has ended, guest `guest` is in `state`, or an
        event matches the pattern `event`, which is returned. TimeoutError says how it is instead."""
        words: List[str] = []
        if number is not None:
            words.append(f"--pass={number}")
        if guest is not None:
            words.append(f"--guest={guest}={state}")
        if event is not None:
            words.append(f"--event={event}")
        if since is not None:
            words.append(f"--since={since}")
        line = self._call("wait", *words, f"--timeout={timeout}s", str(self.path), timeout=timeout + 30)
        return parsed.parse_events(line)[0] if event is not None else None

    # What the host shows

    def reoptimize(self) -> None:
        """Asks for a pass over all memory."""
        self.write("rmpopt/reenable", 1)

    def table(self) -> Dict[int, FrozenSet[int]]:
        """For each region, the CPUs that have it optimized, by the kernel's own table (v1 to v8)."""
        for file in ("debug/rmpopt/rmpopt-table", "debug/x86/rmpopt/rmpopt-table"):
            if (self.path / file).exists():
                return parsed.parse_table(self.read(file))
        raise RmpfsError("this version of the series has no rmpopt-table; read cpu() instead")

    def cpu(self, number: int) -> Dict[int, str]:
        """For each region, what it is to a CPU: optimized, checked, outside or unchecked."""
        lines = self.read(f"debug/rmpopt/cpu{number}").splitlines()
        return {int(line.split("@")[1].split("GB")[0]): line.rpartition(": ")[2] for line in lines}

    def log(self) -> List[parsed.LogLine]:
        """The kernel's log."""
        return parsed.parse_log(self.read("debug/rmpopt/log"))

    def events(self) -> List[parsed.Event]:
        """What happened since boot."""
        return parsed.parse_events(self.read("debug/rmpopt/events"))

    def passes(self) -> List[Dict[str, Union[int, str]]]:
        """The last passes."""
        return parsed.parse_passes(self.read("debug/rmpopt/passes"))

    # Memory

    def free(self) -> parsed.FreeMemory:
        """The memory that is free, by node."""
        return parsed.parse_free(self.read("rmpsim/memory/free"))

    # Guests and faults

    def guest(self, name: str, memory: Optional[Size] = None, **settings: object) -> "Guest":
        """Makes a guest; settings are type, page_size, placement, node and vcpus."""
        (self.path / "rmpsim/guests" / name).mkdir()
        guest = Guest(self, name)
        for key, value in {"memory": memory, **settings}.items():
            if value is not None:
                guest.set(key, value)
        return guest

    def fault(self, path: str, operation: str = "any", **settings: object) -> "Fault":
        """Makes requests fail while the result, a context, is open; settings are those of rmpsim/faults/NAME/."""
        return Fault(self, path, operation, settings)


class Guest:
    """A guest of a host."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name

    def _file(self, key: str) -> str:
        return f"rmpsim/guests/{self.name}/{key}"

    def set(self, key: str, value: object) -> None:
        """Writes one of its files."""
        self.host.write(self._file(key), value)

    def get(self, key: str) -> str:
        """Reads one of its files."""
        return self.host.read(self._file(key)).rstrip("\n")

    @property
    def state(self) -> str:
        """stopped, created, running or ending."""
        return self.get("state")

    @property
    def type(self) -> str:
        """snp or ordinary."""
        return self.get("type")

    @property
    def regions(self) -> FrozenSet[int]:
        """The regions that hold memory of it."""
        return parsed.parse_cpus(self.get("regions"))

    def start(self) -> None:
        """Launches it."""
        self.set("state", "running")

    def stop(self) -> None:
        """Ends it; its pages go back as time passes."""
        self.set("state", "stopped")

    def remove(self) -> None:
        """Removes it, ending it first."""
        (self.host.path / "rmpsim/guests" / self.name).rmdir()


class Fault:
    """A fault, armed between enter and exit."""

    _count = 0

    def __init__(self, host: Host, path: str, operation: str, settings: Dict[str, object]) -> None:
        Fault._count += 1
        self._folder = f"rmpsim/faults/python{Fault._count}"
        self._host = host
        self._settings = {**settings, "operation": operation, "path": path}

    @property
    def hits(self) -> int:
        """How many requests it has struck."""
        return int(self._host.read(f"{self._folder}/hits"))

    def __enter__(self) -> "Fault":
        (self._host.path / self._folder).mkdir()
        for key, value in self._settings.items():
            self._host.write(f"{self._folder}/{key}", value)
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        (self._host.path / self._folder).rmdir()

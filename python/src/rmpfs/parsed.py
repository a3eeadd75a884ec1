# SPDX-License-Identifier: Apache-2.0
"""The files of a mount as values. Each function takes a file's text and raises ValueError for a line that is not such."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Union


@dataclass(frozen=True)
class LogLine:
    """A line of the kernel's log: virtual time in ns, with the microseconds that dmesg shows, and the text."""

    time: int
    text: str


@dataclass(frozen=True)
class Event:
    """A line of `events`: virtual time in ns, name, and fields, numbers as int."""

    time: int
    name: str
    fields: Dict[str, Union[int, str]] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Union[int, str]:
        return self.fields[key]


@dataclass(frozen=True)
class NodeMemory:
    """The free memory of a node in bytes, and how much of it is in one piece."""

    free: int
    largest_block: int


@dataclass(frozen=True)
class FreeMemory:
    """The free memory of a host in bytes, and by node."""

    free: int
    nodes: Dict[int, NodeMemory]


_LINE = re.compile(r"Memory @ *(\d+)GB: CPU\(s\): (.*)")
_LOG = re.compile(r"(?:<\d>)?\[ *(\d+)\.(\d{6})\] (.*)")
_NODE = re.compile(r"node=(\d+) free=(\d+) largest_block=(\d+)")
_EVENT = re.compile(r" *(\d+)\.(\d{9}): (\w+):(.*)")


def parse_cpus(text: str) -> FrozenSet[int]:
    """A list such as `0-3,8`; `none` and the empty text are no CPUs."""
    cpus = set()
    if text not in ("", "none"):
        for part in text.split(","):
            first, _, last = part.partition("-")
            cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def parse_table(text: str) -> Dict[int, FrozenSet[int]]:
    """`rmpopt-table`: for each region, the CPUs that have it optimized; in v1 to v4 also for the one behind the last."""
    table: Dict[int, FrozenSet[int]] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"not a line of rmpopt-table: {line!r}")
        table[int(match[1])] = parse_cpus(match[2])
    return table


def parse_free(text: str) -> FreeMemory:
    """`rmpsim/memory/free`: the sum, then a line for each node."""
    lines = text.splitlines()
    if not lines or not lines[0].isdigit():
        raise ValueError("free does not begin with a number of bytes")
    nodes = {}
    for line in lines[1:]:
        match = _NODE.fullmatch(line)
        if match is None:
            raise ValueError(f"not a line of free: {line!r}")
        nodes[int(match[1])] = NodeMemory(int(match[2]), int(match[3]))
    return FreeMemory(int(lines[0]), nodes)


def parse_log(text: str) -> List[LogLine]:
    """`log`: lines as dmesg prints them, with or without levels."""
    lines = []
    for line in text.splitlines():
        match = _LOG.fullmatch(line)
        if match is None:
            raise ValueError(f"not a line of log: {line!r}")
        lines.append(LogLine(int(match[1]) * 10**9 + int(match[2]) * 1000, match[3]))
    return lines


def parse_events(text: str) -> List[Event]:
    """`events`, without its comments."""
    events = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = _EVENT.fullmatch(line)
        if match is None:
            raise ValueError(f"not a line of events: {line!r}")
        fields: Dict[str, Union[int, str]] = {}
        rest = match[4]
        # The last field of `log` goes to the end of the line.
        if match[3] == "log":
            rest, _, fields["text"] = rest.partition(" text=")
        for word in rest.split():
            key, _, value = word.partition("=")
            fields[key] = int(value) if value.isdigit() else value
        events.append(Event(int(match[1]) * 10**9 + int(match[2]), match[3], fields))
    return events


def parse_passes(text: str) -> List[Dict[str, Union[int, str]]]:
    """`passes`: a dictionary for each pass, oldest first, with the names of the columns."""
    lines = [line.split() for line in text.splitlines()]
    if not lines:
        raise ValueError("passes is empty: its first line is missing")
    return [
        {name: int(value) if value.isdigit() else value for name, value in zip(lines[0], row)} for row in lines[1:]
    ]

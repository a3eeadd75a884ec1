# SPDX-License-Identifier: Apache-2.0
"""Simulated AMD SNP hosts with RMPOPT for tests."""

from .host import Fault, Guest, Host, RmpfsError
from .parsed import (
    Event, FreeMemory, LogLine, NodeMemory, parse_cpus, parse_events, parse_free, parse_log, parse_passes, parse_table,
)

__all__ = [
    "Event", "Fault", "FreeMemory", "Guest", "Host", "LogLine", "NodeMemory", "RmpfsError",
    "parse_cpus", "parse_events", "parse_free", "parse_log", "parse_passes", "parse_table",
]

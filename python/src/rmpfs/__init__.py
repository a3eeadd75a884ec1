# SPDX-License-Identifier: Apache-2.0
"""Simulated AMD SNP hosts with RMPOPT for tests."""

from .host import Fault, Guest, Host, RmpfsError
from .parsed import Event, LogLine, parse_cpus, parse_events, parse_log, parse_passes, parse_table

__all__ = [
    "Event", "Fault", "Guest", "Host", "LogLine", "RmpfsError",
    "parse_cpus", "parse_events", "parse_log", "parse_passes", "parse_table",
]

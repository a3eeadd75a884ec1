# SPDX-License-Identifier: Apache-2.0
"""The package on real mounts."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

import rmpfs


def test_a_guest_costs_its_regions_until_a_pass(rmpfs_host):
    host = rmpfs_host(cpus=8, memory="64G", pace=0)
    everybody = frozenset(range(8))
    assert host.table()[1] == everybody and len(host.table()) == 65
    guest = host.guest("vm0", memory="2G")
    guest.start()
    assert guest.state == "running" and guest.regions
    assert all(not host.table()[region] for region in guest.regions)
    guest.stop()
    assert guest.state == "ending"
    host.idle()
    assert guest.state == "stopped" and not host.table()[1]
    host.reoptimize()
    host.next()
    assert host.events()[-1].name == "pass_end"
    assert host.table()[1] == everybody
    assert host.passes()[-1]["trigger"] == "request"
    assert host.cpu(0)[1] == "optimized"


def test_ordinary_memory(rmpfs_host):
    host = rmpfs_host(cpus=4, memory="8G", pace=0)
    before, table, passes = host.free(), host.table(), len(host.passes())
    guest = host.guest("vm0", memory="4G", type="ordinary")
    assert guest.type == "ordinary"
    guest.start()
    host.write("rmpsim/memory/page_cache", "1G")
    free = host.free()
    assert free.free == before.free - (5 << 30) == sum(node.free for node in free.nodes.values())
    assert 0 < free.nodes[0].largest_block <= free.nodes[0].free
    assert len(guest.regions) >= 4 and host.table() == table
    guest.stop()
    assert guest.state == "stopped"
    host.idle()
    assert len(host.passes()) == passes and host.table() == table


def test_waiting(rmpfs_host):
    host = rmpfs_host(cpus=4, memory="8G")
    since = host.clock
    guest = host.guest("vm0", memory="1G", vcpus=2)
    guest.start()
    guest.stop()
    host.wait(guest="vm0", state="stopped")
    event = host.wait(event="guest: * state=ending", since=since)
    assert event is not None and event["guest"] == "vm0" and event.time >= since
    host.wait()
    with pytest.raises(TimeoutError, match="pass 2 was the last to end"):
        host.wait(number=99, timeout=0.1)


def test_time(rmpfs_host):
    host = rmpfs_host(pace=0)
    start = host.clock
    host.advance(5)
    host.advance("+1.5s")
    assert host.clock == start + 1_500_000_005
    host.pace = 10
    assert host.pace == "10"


def test_errors_are_the_kernels(rmpfs_host):
    host = rmpfs_host(memory="8G", pace=0)
    with pytest.raises(OSError) as error:
        host.guest("big", memory="16G")
    assert error.value.errno == errno.ENOSPC
    with host.fault("debug/rmpopt/log", "read", errno="EIO") as fault:
        with pytest.raises(OSError) as error:
            host.log()
        assert error.value.errno == errno.EIO and fault.hits >= 1
    assert host.log()[0].time == 0
    with pytest.raises(rmpfs.RmpfsError, match="CPU"):
        rmpfs_host(cpus=0)


def test_text_that_is_none():
    for parse in (rmpfs.parse_table, rmpfs.parse_log, rmpfs.parse_events, rmpfs.parse_free):
        with pytest.raises(ValueError):
            parse("something else\n")
    assert rmpfs.parse_cpus("0-2,7") == {0, 1, 2, 7} and rmpfs.parse_cpus("none") == frozenset()
    [event] = rmpfs.parse_events("# c\n    1.000000002: log: level=6 text=a b=1\n")
    assert (event.time, event["level"], event["text"]) == (1_000_000_002, 6, "a b=1")


def test_nothing_stays_when_the_process_is_killed():
    code = "import rmpfs, sys, time; host = rmpfs.Host(cpus=2, memory='4G'); print(host.path, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        path = child.stdout.readline().strip()
        assert os.path.ismount(path)
        child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while path in open("/proc/mounts", encoding="utf-8").read():
        assert time.monotonic() < deadline, "the mount stays"
        time.sleep(0.05)
    os.rmdir(path)
    os.rmdir(os.path.dirname(path))

# SPDX-License-Identifier: Apache-2.0
# Checks a trace: the rules of the Trace Event Format as its viewers read it, and that it says what the events say.
#
#   trace.py TRACE EVENTS       prints what the trace has; exit status 1 and a traceback for what is wrong

import collections
import decimal
import json
import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    trace = json.load(file, parse_float=decimal.Decimal)
with open(sys.argv[2], encoding="utf-8", errors="replace") as file:
    lines = [line for line in file if not line.startswith("#")]


def nanoseconds(value):
    """A time of the trace: us, with no digit below 1 ns."""
    time = decimal.Decimal(value) * 1000
    assert time == int(time) and time >= 0, value
    return int(time)


def cpus(text):
    """The numbers of a list of CPUs."""
    numbers = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


# The format.
processes, threads, slices, moments = {}, {}, collections.defaultdict(list), collections.defaultdict(list)
assert isinstance(trace["traceEvents"], list) and trace["displayTimeUnit"] in ("ms", "ns")
for event in trace["traceEvents"]:
    pid, tid, name = event["pid"], event["tid"], event["name"]
    assert type(pid) is int and type(tid) is int and type(name) is str
    if event["ph"] == "M":
        (value,) = event["args"].values()
        if name == "process_name":
            assert pid not in processes
            processes[pid] = value
        elif name == "thread_name":
            assert tid not in threads and tid not in processes, "threads have numbers of their own"
            threads[tid] = (pid, value)
        else:
            assert name in ("process_sort_index", "thread_sort_index") and type(value) is int
        continue
    assert threads[tid][0] == pid and pid in processes, "a track with a name"
    time = nanoseconds(event["ts"])
    if event["ph"] == "X":
        slices[tid].append((time, time + nanoseconds(event["dur"]), name, event.get("args", {})))
    else:
        assert event["ph"] == "i" and event["s"] == "t", event
        moments[tid].append((time, name))
# Slices of a track lie within each other or apart; of two that begin together, the outer one comes first.
for tid, track in slices.items():
    open_slices = []
    for start, end, name, _ in sorted(track, key=lambda item: item[0]):
        while open_slices and open_slices[-1] <= start and open_slices[-1] < end:
            open_slices.pop()
        assert not open_slices or end <= open_slices[-1], (threads[tid], name, start, end, open_slices)
        open_slices.append(end)

named = {f"{processes[pid]}/{name}": tid for tid, (pid, name) in threads.items()}
assert len(named) == len(threads), "no two tracks have the same name"

# What the events say.
passes, turns, requests, running, text = {}, [], 0, collections.Counter(), []
gone, away, offline = collections.Counter(), {}, collections.defaultdict(list)
state, now, turn, begun = {}, 0, None, None
for line in lines:
    found = re.fullmatch(r" *(\d+)\.(\d{9}): (\w+):(.*)\n", line)
    now = int(found[1] + found[2])
    name, rest = found[3], found[4]
    fields = dict(word.split("=", 1) for word in rest.split() if "=" in word)
    if turn and name in ("pass_turn", "pass_end", "pass_cancel", "kernel_start"):
        turns.append((turn[0], now, *turn[1:]))
        turn = None
    if name == "pass_begin":
        begun = (fields["pass"], fields["trigger"], now)
    elif name == "pass_turn":
        turn = (now, fields["turn"], int(fields["pass"]), fields["cpus"], fields["interrupts_off"])
    elif name in ("pass_end", "pass_cancel") and begun:
        passes[begun[2]] = (now, f"pass {begun[0]}: {begun[1]}")
        begun = None
    elif name == "pass_request":
        requests += 1
    elif name == "log":
        text.append(rest.split(" text=", 1)[1])
    elif name == "cpu" and fields["online"] == "0":
        away[int(fields["cpu"])] = now
    elif name == "cpu":
        offline[int(fields["cpu"])].append((away.pop(int(fields["cpu"]), 0), now))
    elif name == "guest_remove":
        gone[fields["guest"]] += int(fields["ending"])
    elif name == "guest" and fields["state"] == "stopped" and gone[fields["guest"]] > 0:
        # One that was removed before; another one may run under its name.
        gone[fields["guest"]] -= 1
    elif name == "guest":
        since = state.pop(fields["guest"], None)
        if since is not None:
            running[(since, now)] += 1
        if fields["state"] == "running":
            state[fields["guest"]] = now
end = max(max(last for _, last, _, _ in track) for track in slices.values())
if turn:
    turns.append((turn[0], end, *turn[1:]))
for since in state.values():
    running[(since, end)] += 1
for cpu, since in away.items():
    offline[cpu].append((since, end))

drawn = {start: (end, name) for start, end, name, _ in slices[named["host/passes"]] if name.startswith("pass ")}
assert {start: drawn[start] for start in passes} == passes, "passes"
assert sum(": " in name for _, name in moments[named["host/requests"]]) == requests, "requests"
assert sorted(name for _, name in moments[named["host/log"]]) == sorted(text), "the log"
lanes = [tid for tid, (pid, _) in threads.items() if processes[pid] == "guests"]
drawn = collections.Counter((start, end) for tid in lanes for start, end, name, _ in slices[tid] if name == "running")
assert drawn == running, "guests that ran"

# Each CPU has its turns, as long as it is online, and with them the time without interrupts.
rows = {tid: cpus(name.split()[1]) for tid, (pid, name) in threads.items() if processes[pid] == "CPUs"}
row = {cpu: tid for tid, numbers in rows.items() for cpu in numbers}
assert len(row) == sum(map(len, rows.values())), "each CPU is in one track"


def pieces(start, stop, holes):
    """What holes leave of a time."""
    for low, high in sorted(holes):
        if low < stop and start < high:
            if start < low:
                yield start, low
            start = high
    if start < stop:
        yield start, stop


expected = {tid: collections.Counter() for tid in rows}
for cpu, times in offline.items():
    for start, stop in times:
        expected[row[cpu]][start, stop, "offline"] += 1
for start, stop, word, number, members, interrupts in turns:
    for tid in {row[cpu] for cpu in cpus(members)}:
        for first, last in pieces(start, stop, offline[rows[tid][0]]):
            expected[tid][first, last, word] += 1
            off = {"turn": "interrupts off", "region": "interrupts off, region by region"}.get(interrupts)
            if off:
                expected[tid][first, last, off] += 1
for tid in rows:
    assert collections.Counter(item[:3] for item in slices[tid]) == expected[tid], ("turns", threads[tid])
print(f"{len(passes)} passes, {sum(running.values())} lives, {len(rows)} tracks of {len(row)} CPUs")

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# events and events_pipe on real mounts: any number of readers that wait, each with its place, none of which keeps a
# thread or stalls the daemon; poll(2); interrupts; the end of the mount, by whoever unmounts it.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3
plan 29

pipe() { echo "$M/debug/rmpopt/events_pipe"; }
daemon() { daemons "$M" | head -n 1; }
threads() { find "/proc/$(daemon)/task" -mindepth 1 -maxdepth 1 | wc -l; }
# lines FILE COUNT: whether a reader has got so many lines.
lines() { [ -e "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ]; }
churn() {
    local guest
    for guest in $(seq "$1"); do
        mkdir "$M/rmpsim/guests/g$guest"
        echo 1G >"$M/rmpsim/guests/g$guest/memory"
        echo running >"$M/rmpsim/guests/g$guest/state"
        rmdir "$M/rmpsim/guests/g$guest"
    done
}

mount_host readers
check 'the pipe is not listed' [ -z "$(find "$M" -name events_pipe)" ]
before=$(threads)
readers=()
for reader in $(seq 100); do
    limit 60 cat "$(pipe)" >"$work/read.$reader" &
    readers+=($!)
done
limit 60 dd if="$(pipe)" bs=1 of="$work/read.slow" 2>/dev/null &
readers+=($!)
all_have() {
    local count reader
    count=$(wc -l <"$M/debug/rmpopt/events")
    for reader in slow $(seq 100); do lines "$work/read.$reader" "$count" || return 1; done
}
check 'readers get what has happened' within 20 all_have
check '100 that wait keep two threads more, at most' [ "$(threads)" -le $((before + 2)) ]
# stopped: a reader that never takes what it asked for.
cat "$(pipe)" >/dev/null &
stopped=$!
within 10 waits_for_events "$stopped"
kill -STOP "$stopped"
check 'commands are not kept up' churn 20
limit 20 "$RMPFS" wait "$M"
check 'and all readers get what happens' within 20 all_have
cp "$M/debug/rmpopt/events" "$work/all"

# A reader that is killed while it waits is gone at once.
cat "$(pipe)" >/dev/null &
killed=$!
within 10 waits_for_events "$killed"
kill -KILL "$killed"
gone() { ! kill -0 "$killed" 2>/dev/null; }
check 'a waiting reader can be killed' within 5 gone

cat >"$work/poll.py" <<'END'
import os, select, signal, subprocess, sys, threading
M = sys.argv[1]
pipe = M + "/debug/rmpopt/events_pipe"

def drain(descriptor):
    count = 0
    while True:
        try:
            count += len(os.read(descriptor, 1 << 16))
        except BlockingIOError:
            return count

def request():
    with open(M + "/rmpopt/reenable", "w") as file:
        file.write("1")

descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
print("drained", drain(descriptor) > 1000)
poll = select.poll()
poll.register(descriptor, select.POLLIN)
print("quiet", poll.poll(200))
threading.Timer(0.1, request).start()
print("woken", poll.poll(20000) == [(descriptor, select.POLLIN)])
text = b""
while b"pass_end" not in text:
    assert poll.poll(20000)
    text += os.read(descriptor, 1 << 16)
print("the end of the pass")
epoll = select.epoll()
subprocess.run([sys.argv[2], "wait", M], check=True)
drain(descriptor)
epoll.register(descriptor, select.EPOLLIN)
threading.Timer(0.1, request).start()
print("epoll", epoll.poll(20) == [(descriptor, select.EPOLLIN)])
while b"thread_sleep" not in (text := os.read(descriptor, 1 << 16) if epoll.poll(20) else b"thread_sleep"):
    pass
drain(descriptor)

class Interrupt(Exception):
    pass

def interrupt(*_):
    raise Interrupt

signal.signal(signal.SIGALRM, interrupt)
os.set_blocking(descriptor, True)
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    print("read", os.read(descriptor, 100))
except Interrupt:
    print("interrupted")
with open(M + "/debug/rmpopt/log", "rb") as file:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    print("another file is always ready", bool(poll.poll(0)))
END
limit 60 python3 "$work/poll.py" "$M" "$RMPFS" >"$work/polled" 2>&1
expect 'poll, epoll and interrupts' 'drained True
quiet []
woken True
the end of the pass
epoll True
interrupted
another file is always ready True' "$(cat "$work/polled")"
check 'pipes of poll(2) end, too' limit 20 python3 - "$M" "$(daemon)" <<'END'
import os, select, signal, sys
descriptor = os.open(sys.argv[1] + "/debug/rmpopt/events_pipe", os.O_RDONLY | os.O_NONBLOCK)
try:
    while os.read(descriptor, 1 << 16): pass
except BlockingIOError: pass
poll = select.poll()
poll.register(descriptor, select.POLLIN)
os.kill(int(sys.argv[2]), signal.SIGTERM)
assert poll.poll(10000), "not woken"
END
ended() { ! kill -0 "${readers[@]}" 2>/dev/null; }
check 'readers end with the mount' within 20 ended
kill -KILL "$stopped" 2>/dev/null
check 'and nothing is left' nothing_left "$M"
same=yes
size=$(stat -c %s "$work/all")
for reader in slow $(seq 100); do head -c "$size" "$work/read.$reader" | cmp -s - "$work/all" || same=no; done
check 'each got every line, in order' [ "$same" = yes ]

# The clock stands still: what happens, happens at a write.
mount_host still --pace 0 --series v4
limit 30 cat "$(pipe)" >"$work/still.out" &
within 10 lines "$work/still.out" 10
echo 1 >"$M/rmpopt/reenable"
check 'a request comes at once' within 10 grep -q 'pass_request: trigger=request' "$work/still.out"
expect 'and no more than that' 0 "$(grep -c 'pass_end: .*trigger=request' "$work/still.out")"
echo +20s >"$M/rmpsim/clock"
check 'the pass, with the clock' within 10 grep -q 'pass_end: .*trigger=request' "$work/still.out"
kill "$(daemon)"
check 'it ends' nothing_left "$M"

# reader: one that waits, its PID is $reader.
reader() {
    rm -f "$work/waiting.out"
    limit 60 cat "$(pipe)" >"$work/waiting.out" &
    reader=$!
    within 10 eval '[ -s "$work/waiting.out" ]'
}
gone_reader() { ! kill -0 "$reader" 2>/dev/null; }
mount_host waiting --pace 0
reader
check 'who waits does not keep rmpfs unmount' unmount_host
check 'and comes to the end' within 10 gone_reader
check 'and the daemon ends' nothing_left "$M"

# What happens in a row is read together: a reader that has everything is not woken before 5 ms have passed, and misses
# nothing. The third one polls.
mount_host row --cpus 4 --memory 8G
cat >"$work/row.py" <<'END'
import fcntl, os, select, sys, threading, time
M, pipe = sys.argv[1], sys.argv[1] + "/debug/rmpopt/events_pipe"
REST, MARK = 0.005, b"guest_create: guest=mark"

class Reader(threading.Thread):
    def __init__(self, polls):
        super().__init__(daemon=True)
        self.file = os.open(pipe, os.O_RDONLY | (os.O_NONBLOCK if polls else 0))
        self.poll = select.poll() if polls else None
        if polls:
            self.poll.register(self.file, select.POLLIN)
        self.text, self.wakes, self.seen, self.caught_up = b"", 0, 0, 0
        self.start()

    def run(self):
        while b"guest=end" not in self.text:
            if self.poll:
                assert self.poll.poll(20000)
            chunk = os.read(self.file, 1 << 17)
            assert chunk
            self.text += chunk
            self.wakes += 1
            if MARK in chunk:
                self.seen = time.monotonic()

readers = [Reader(False), Reader(False), Reader(True)]

def write(count):
    for _ in range(count):
        with open(M + "/rmpopt/reenable", "w") as file:
            file.write("1")

def wakes():
    return [reader.wakes for reader in readers]

write(1)
time.sleep(0.1)
before, start = wakes(), time.monotonic()
write(1000)
time.sleep(0.1)
most = (time.monotonic() - start) / REST + 4
print("few wakes", [count - first <= most for count, first in zip(wakes(), before)])
# The bound of interface.md, generously: this machine may be busy.
start = time.monotonic()
os.mkdir(M + "/rmpsim/guests/mark")
while not all(reader.seen for reader in readers) and time.monotonic() < start + 20:
    time.sleep(0.01)
print("soon", [bool(reader.seen) and reader.seen - start < 2 for reader in readers])
write(200)
os.mkdir(M + "/rmpsim/guests/end")
for reader in readers:
    reader.join(20)
with open(M + "/debug/rmpopt/events", "rb") as file:
    text = file.read()
print("all of it", [text.startswith(reader.text) for reader in readers], text.count(b"pass_request") > 1200)
END
limit 60 python3 "$work/row.py" "$M" >"$work/row.out" 2>&1
expect 'events in a row: few wakes, nothing lost' 'few wakes [True, True, True]
soon [True, True, True]
all of it [True, True, True] True' "$(cat "$work/row.out")"
cpu() { awk '{ print $14 + $15 }' "/proc/$(daemon)/stat"; }
limit 20 "$RMPFS" wait "$M"
reader
sleep 1.5 # the thread of those who wait stays for a second
used=$(cpu)
sleep 1
expect 'who waits for nothing uses no CPU' "$used" "$(cpu)"
kill "$reader"
check 'it can be unmounted' unmount_host

# The last event before the end: a reader that rests gets it before the end of the file.
cat >"$work/last.py" <<'END'
import ctypes, os, signal, subprocess, sys
M, how, daemon = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(40):
    os.mkdir(f"{M}/rmpsim/guests/g{number}")
if how == "signal":
    os.kill(daemon, signal.SIGTERM)
elif ctypes.CDLL(None).umount2(M.encode(), 2) != 0:  # MNT_DETACH
    subprocess.run(["fusermount3", "-uz", M], check=True)
END
# last HOW: in most of five rounds; a reader between two reads comes too late if the daemon is quicker.
last() {
    local round whole=0
    for round in 1 2 3 4 5; do
        mount_host "last.$1.$round" --pace 0
        reader
        python3 "$work/last.py" "$M" "$1" "$(daemon)" && within 10 gone_reader && nothing_left "$M" || return 1
        tail -n 1 "$work/waiting.out"
        if [[ $(tail -n 1 "$work/waiting.out") == *'guest_create: guest=g39' ]]; then whole=$((whole + 1)); fi
    done
    [ "$whole" -ge 3 ]
}
check 'the last event comes before the end: a signal' last signal
check 'umount -l' last detach

mount_host busy --pace 0
reader
exec 7<"$M/debug/rmpopt/log"
refused 'another user does' 1 'in use' "$RMPFS" unmount "$M"
check 'and then who waits goes on waiting' kill -0 "$reader"
exec 7<&-
check 'until it has gone' unmount_host

mount_host detached --pace 0
reader
check 'a mount that is detached' detach "$M"
check 'ends those who wait' within 10 gone_reader
check 'and itself' nothing_left "$M"
finish

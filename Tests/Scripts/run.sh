#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `rmpfs run`: scripts written for the kernel's paths run unchanged on a host that nobody else sees. Exit statuses and
# signals pass through, and nothing is left, whichever process is killed.
# TIMEOUT: 240

# Only root may be able to open the machine's /dev/fuse, but ordinary users must be tested: the test has its own device,
# in a private mount namespace.
if [ "$(id -u)" = 0 ] && [ -z "${RMPFS_TEST_NAMESPACE:-}" ] && unshare --mount true; then
    export RMPFS_TEST_NAMESPACE=yes
    exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 setpriv unshare busybox
[ "$(id -u)" = 0 ] || "$RMPFS" run -- true 2>/dev/null || skip_all "this user may not have user namespaces"

plan 133

# What a script does at the kernel's paths. The first two commands are from the series' commit messages.
C=/sys/kernel/config D=/sys/kernel/debug
run() { limit 20 "${as[@]}" "$RMPFS" run "$@" </dev/null; }
# status EXPECTED NAME [OPTION...] -- COMMAND...: the exit status for the end of a command.
status() {
    local wanted=$1 name=$2
    shift 2
    run "$@" >"$work/.output" 2>&1
    expect "$name" "$wanted" $?
}
# Processes of this test that are neither its own shells nor the search itself.
left_over() { grep -lsz -xF "RMPFS_TEST_PART=$1" /proc/[0-9]*/environ; }
none_left() { ! left_over "$1" >/dev/null; }
gone() {
    within 10 none_left "$1" && return
    left_over "$1" | while read -r file; do ps -o pid,stat,args -p "$(cut -d / -f 3 <<<"$file")"; done
    return 1
}

# --- Scripts for the kernel's paths ---

# Ignores other tests' mounts, which come and go.
mounts() { grep -v " ${TMPDIR:-/tmp}/" /proc/self/mountinfo; }
kernel_folder() { ls -l --time-style=+ /sys/kernel 2>&1; }
before=$(kernel_folder) mounts=$(mounts)

cat >"$work/show" <<'END'
cd /sys/kernel/debug/rmpopt
cat rmpopt-table
END
cat >"$work/optimize" <<'END'
cat /sys/kernel/config/rmpopt/description
echo 1 > /sys/kernel/config/rmpopt/action
cat /sys/kernel/config/rmpopt/action
END
cat >"$work/watch" <<'END'
set -e
mkdir /sys/kernel/config/rmpsim/guests/vm0
echo 3G > /sys/kernel/config/rmpsim/guests/vm0/memory
echo running > /sys/kernel/config/rmpsim/guests/vm0/state
grep -c none /sys/kernel/debug/rmpopt/rmpopt-table
echo stopped > /sys/kernel/config/rmpsim/guests/vm0/state
echo +1min > /sys/kernel/config/rmpsim/clock
grep -c none /sys/kernel/debug/rmpopt/rmpopt-table
echo 1 > /sys/kernel/config/rmpopt/action
n=0
while grep -q Yes /sys/kernel/config/rmpopt/action; do
    echo +1ms > /sys/kernel/config/rmpsim/clock
    n=$((n + 1)) && [ $n -lt 1000 ]
done
grep -c none /sys/kernel/debug/rmpopt/rmpopt-table
END
mount_host reference --pace 0
cat "$M/debug/rmpopt/rmpopt-table" >"$work/table"
cat "$M/debug/rmpopt/cpu3" >"$work/cpu3"
unmount_host
scripts() {
    local who=$1 shell
    shift
    for shell in bash 'busybox sh'; do
        # shellcheck disable=SC2086 # a shell and its applet
        expect_file "$who, $shell: cat rmpopt-table is that of a mount" "$work/table" run "$@" -- $shell "$work/show"
        # shellcheck disable=SC2086
        expect_bytes "$who, $shell: echo 1 > action starts a pass" \
            '[RMPOPT]\n\necho 1 > action to perform RMP optimization.\nRMP optimization in progress: Yes\n' \
            run "$@" --pace 0 -- $shell "$work/optimize"
        # shellcheck disable=SC2086
        expect_bytes "$who, $shell: a guest, a pass, and waiting for its end" '6\n6\n3\n' \
            run "$@" --pace 0 -- $shell "$work/watch"
    done
    expect_file "$who: cpuN is that of a mount" "$work/cpu3" run "$@" -- cat $D/rmpopt/cpu3
    expect_bytes "$who: 2 CPUs and 2 GB" 'Memory @  0GB: CPU(s): none\nMemory @  1GB: CPU(s): none\n' \
        run "$@" --cpus 2 --memory 1G -- cat $D/rmpopt/rmpopt-table
    expect_bytes "$who: the folders' and files' modes" '755\n755\n644\n444\n700\n444\n' \
        run "$@" -- stat -c %a $C $C/rmpopt $C/rmpopt/action $C/rmpopt/description $D $D/rmpopt/rmpopt-table
    expect_bytes "$who: the available files" 'debug\nrmpopt\nrmpopt\nrmpsim\n' \
        run "$@" -- sh -c "ls $D/.. | grep -x debug; ls $D; ls $C"
    expect_bytes "$who: the rest of /sys/kernel is the machine's own" "$(cat /sys/kernel/vmcoreinfo)\n" \
        run "$@" -- cat /sys/kernel/vmcoreinfo
    check "$who: folders of it too" run "$@" -- test -e /sys/kernel/mm/transparent_hugepage
    check "$who: accepts no new names" run "$@" -- sh -c '! mkdir /sys/kernel/new 2>/dev/null'
}
if [ "$(id -u)" = 0 ]; then me=root; else me='a user'; fi
scripts "$me"

# --- Nobody else sees it ---

export RMPFS_TEST_PART=seen
# shellcheck disable=SC2016 # for the inner shell
"$RMPFS" run -- sh -c 'echo "$$" >"$0"; sleep 60' "$work/ready" &
within 10 [ -s "$work/ready" ] || true
expect 'while it runs others see /sys/kernel as before' "$before" "$(kernel_folder)"
expect 'and no mount' "$mounts" "$(mounts)"
kill "$!"
wait "$!"
expect 'SIGTERM ends it with 143' 143 $?
check 'nothing is left of it' gone seen

# --- What a command inherits ---

expect 'standard input' hello "$(echo hello | limit 20 "$RMPFS" run -- cat)"
expect 'arguments, as they are' '<a b><><--cpus>' "$(run -- printf '<%s>' 'a b' '' --cpus)"
expect 'descriptors' extra "$(limit 20 "$RMPFS" run -- sh -c 'echo extra >&7' 7>&1 >/dev/null)"
expect 'the working folder' "$work" "$(cd "$work" && run -- pwd -P)"
expect 'the environment' value "$(RMPFS_TEST_VALUE=value run -- printenv RMPFS_TEST_VALUE)"
expect 'none of our descriptors' "$(find /proc/self/fd -mindepth 1 | grep -c .)" \
    "$(limit 20 "$RMPFS" run -- find /proc/self/fd -mindepth 1 | grep -c .)"
# Names are bytes, not necessarily valid UTF-8.
odd=$'\xe9\xff'
mkdir "$work/$odd" "$work/made"
# shellcheck disable=SC2016 # for the inner shell
expect 'arguments, folder and environment that are not UTF-8' "$odd $odd $odd" \
    "$(cd "$work/$odd" && ODD=$odd run -- sh -c 'touch "$1/$2"; echo "$ODD ${PWD##*/}"' sh "$work/made" "$odd") $(
        ls -N "$work/made"
    )"
# Of 31 signals; the C library reserves two more for itself, which every process that it starts ignores.
signals() {
    sed -nE 's/^(Sig(Blk|Ign)):\t.{8}(.)(.{7})$/\1 \3 \4/p' /proc/self/status | sed 's/ [89] / 0 /' | paste -sd ' '
}
export -f signals
expect 'blocked and ignored signals as the caller has them' "$(bash -c signals)" "$("$RMPFS" run -- bash -c signals)"
expect 'also with some ignored' "$(trap '' INT PIPE USR1; bash -c signals)" \
    "$(trap '' INT PIPE USR1; "$RMPFS" run -- bash -c signals)"
expect 'its processes are its own' 'ps rmpfs' "$(run -- ps -e -o args= | cut -d ' ' -f 1 | sort | paste -sd ' ')"

# --- How it ends ---

status 0 'a command that succeeds' -- true
status 7 'its exit status' -- sh -c 'exit 7'
status 255 'the largest one' -- sh -c 'exit 255'
# shellcheck disable=SC2016 # for the inner shell
for signal in TERM KILL HUP SEGV PIPE USR1; do
    status $((128 + $(kill -l $signal))) "a command that dies of SIG$signal" -- sh -c 'kill -$0 $$' $signal
done
status 127 'a command that is not there' -- "$work/no-such-command"
refused 'its message names it' 127 '^rmpfs: no-such-command: No such file or directory$' "$RMPFS" run -- no-such-command
echo true >"$work/not-executable"
refused 'a file that cannot be executed' 126 '^rmpfs: .*/not-executable: Permission denied$' \
    "$RMPFS" run -- "$work/not-executable"
refused 'no command' 64 'Give one behind --' "$RMPFS" run --cpus 2
refused 'no command behind --' 64 'Give one behind --' "$RMPFS" run --
refused 'a machine that cannot be' 64 '0 CPUs: a machine has 1 to 8192' "$RMPFS" run --cpus 0 -- true
refused 'an unknown mount option' 64 "mount option 'no_such=1': unknown" "$RMPFS" run -o no_such=1 -- true
expect 'mode= opens debug/' 755 "$(run -o mode=755 -- stat -c %a $D)"
refused 'ro: no writes' 2 'Read-only file system' "$RMPFS" run -o ro -- sh -c "echo 1 > $C/rmpopt/action"

# part NAME: the child of the process in front that serves the host (host), or runs the command (command).
part() { ps -o pid=,args= --ppid "$front" | awk -v part="--private-part=$1:" 'index($0, part) { print $1 }'; }
# begin NAME SCRIPT: starts a command that reports when it runs, and waits for that; sets front.
begin() {
    rm -f "$work/ready"
    export RMPFS_TEST_PART=$1
    "${as[@]}" "$RMPFS" run -- bash -c "$2"'; echo >"$0"; while :; do sleep 0.05; done' "$work/ready" \
        >"$work/said" 2>&1 &
    front=$!
    within 10 [ -e "$work/ready" ]
}
ended() { wait "$front"; expect "$1" "$2" $?; }
for signal in INT QUIT TERM HUP USR1 USR2; do
    # A background job of this shell has INT and QUIT ignored, which no trap can change.
    begin "$signal" "trap 'echo caught $signal; exit 5' $signal"
    if [ "$signal" = INT ] || [ "$signal" = QUIT ]; then
        kill -"$signal" "$front"
        sleep 0.2
        check "SIG$signal is ignored where the caller ignores it" kill -0 "$front"
        kill -KILL "$front"
        wait "$front" 2>/dev/null
        continue
    fi
    kill -"$signal" "$front"
    ended "SIG$signal reaches the command" 5
    expect "and its trap runs ($signal)" "caught $signal" "$(cat "$work/said")"
done
check 'nothing is left of them' gone INT

# In its own process group: the kernel does not stop processes in a group that no shell manages.
set -m
begin stopped true
set +m
keeper=$(part command)
# both STATE: the states of the process in front and of the command match that pattern.
both() {
    local state
    for state in "$(ps -o stat= -p "$front")" "$(ps -o stat= --ppid "$keeper")"; do [[ $state == $1* ]] || return; done
}
kill -TSTP "$front"
check 'SIGTSTP stops the command, and the process in front with it' within 10 both T
kill -CONT "$front"
check 'SIGCONT lets both go on' within 10 both S
kill "$front"
ended 'and SIGTERM ends it as ever' 143
set -m
begin unstopped "trap 'echo caught' TSTP"
set +m
kill -TSTP "$front"
check 'a command that SIGTSTP does not stop' within 10 grep -qx caught "$work/said"
expect 'does not stop the process in front' S "$(ps -o stat= -p "$front" | cut -c 1)"
kill "$front"
ended 'which ends with it' 143
begin background 'setsid sleep 60 & sleep 60 & true'
kill "$front"
ended 'a command with processes in the background' 143
check 'none of them outlives it' gone background
begin front 'setsid nohup sleep 60 >/dev/null & true'
kill -KILL "$front"
wait "$front" 2>/dev/null
check 'kill -9 of the process in front ends all' gone front
for part in host command; do
    begin "$part" 'setsid sleep 60 & true'
    kill -KILL "$(part "$part")"
    ended "kill -9 of the $part's process: 137" 137
    expect 'and a message' 'rmpfs: the simulated host was ended by signal 9, and the command with it. Run it again' \
        "$(cat "$work/said")"
    check "kill -9 of the $part's process ends all" gone "$part"
done

# --- Who may wait for the host ---

# A process that has the device open and reaches the mount by a path waits for its own answer, and no signal ends it.
begin device true
host=$(part host)
own_mounts() { grep -c 'fuse\.rmpfs \(configfs\|debugfs\|sysfs\) ' "/proc/$1/mountinfo"; }
has_device() { find "/proc/$1/fd" -lname /dev/fuse | grep -q .; }
check 'the host process has the device open' has_device "$host"
expect 'and none of its mounts' 0 "$(own_mounts "$host")"
expect 'the others have the mounts' 6 "$(own_mounts "$(part command)")"
without() {
    for pid in "$front" "$(part command)" $(pgrep -P "$(part command)"); do ! has_device "$pid" || return; done
}
check 'and not the device' without
kill "$front"
ended 'which end as ever' 143
# Kills all three, each time while the command's process is waiting for the host, with both cores busy.
cat >"$work/kill.py" <<'END'
import glob, os, random, signal, subprocess, sys, time
rmpfs, seed = sys.argv[1], int(sys.argv[2])
print("seed", seed)
random = random.Random(seed)
busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2)]
def text(path):
    try:
        return open(path, errors="replace").read()
    except OSError:
        return ""
def parts(front):
    return [int(n) for n in text(f"/proc/{front}/task/{front}/children").split()]
caught, left, deadline = 0, [], time.monotonic() + 25
try:
    while caught < 5 and time.monotonic() < deadline:
        front = subprocess.Popen([rmpfs, "run", "--", "true"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while front.poll() is None:
            pids = parts(front.pid)
            if any("fuse_" in text(f"/proc/{p}/wchan") + text(f"/proc/{p}/stack") and
                   "fuse_dev" not in text(f"/proc/{p}/stack") for p in pids):
                order = pids + [front.pid]
                random.shuffle(order)
                for p in order:
                    try:
                        os.kill(p, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                caught += 1
                end = time.monotonic() + 5
                while time.monotonic() < end and any(text(f"/proc/{p}/cmdline") for p in pids):
                    time.sleep(0.01)
                left += [p for p in pids if text(f"/proc/{p}/cmdline")]
                break
        front.wait()
finally:
    for process in busy:
        process.kill()
print("caught", caught, "left", left)
sys.exit(bool(left))
END
if [ "$(id -u)" = 0 ]; then
    check 'kill -9 of all while one waits for the host leaves nothing' \
        limit 60 python3 "$work/kill.py" "$RMPFS" "${RMPFS_SEED:-$RANDOM}"
    sed -n 's/^/# /p' "$work/.output"
else
    skip 'kill -9 of all while one waits for the host leaves nothing' 'only root sees where a process waits'
fi

# --- By hand ---

# In a private namespace: without the check these would cover the caller's /proc and /sys/kernel.
by_hand=(unshare --mount --propagation private)
message='starts by itself'
for part in host:0 host:1 host:3 command:0:1 command:3:4; do
    refused "--private-part=$part by hand" 64 "$message" "${by_hand[@]}" "$RMPFS" run --private-part="$part" -- true
done
refused 'also as the first process of a namespace' 64 "$message" \
    "${by_hand[@]}" unshare --pid --fork --kill-child "$RMPFS" run --private-part=command:0:1 -- true
cat >"$work/pair.py" <<'END'
import socket, subprocess, sys
ours, theirs = socket.socketpair()
ours.send(b"rmpfs 1\n")
sys.exit(subprocess.run([sys.argv[1], "run", f"--private-part=host:{theirs.fileno()}", "--", "true"],
                        pass_fds=[theirs.fileno()]).returncode)
END
refused 'with a socket of somebody else' 64 "$message" "${by_hand[@]}" python3 "$work/pair.py" "$RMPFS"
mkdir -p "$work/background"
# shellcheck disable=SC2016 # for the inner shell
refused '--background-process by hand' 64 "$message" \
    "${by_hand[@]}" sh -c '"$0" mount --background-process=1 "$1" 3>"$1.file"' "$RMPFS" "$work/background"
expect 'writes into no descriptor of the caller' '' "$(cat "$work/background.file")"

# --- In a terminal ---

# terminal SCRIPT...: runs a shell in a terminal; arguments alternate between `expected text` and `keys`.
cat >"$work/terminal.py" <<'END'
import os, pty, select, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ["PS1"] = "ready> "
    os.execvp("bash", ["bash", "--norc", "--noprofile", "-i"])
said, deadline = b"", time.monotonic() + 30
def hear():
    """More of what was said; nothing at the end."""
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.5)[0]:
            try:
                return os.read(terminal, 4096)
            except OSError:
                return b""
    sys.stdout.write(said.decode(errors="replace") + "\n(time is up)\n")
    os.kill(pid, signal.SIGKILL)
    sys.exit(1)
steps = sys.argv[1:]
for wanted, keys in zip(steps[::2], steps[1::2]):
    while wanted.encode() not in said:
        more = hear()
        if not more:
            sys.exit(f"ended before {wanted!r}: {said!r}")
        said += more
    said = said.split(wanted.encode(), 1)[1]
    os.write(terminal, keys.encode().decode("unicode_escape").encode())
while more := hear():
    said += more
os.waitpid(pid, 0)
END
terminal() { limit 40 python3 "$work/terminal.py" "$@"; }
# The command must be one that SIGINT ends at any time: between two commands, dash assumes that the next command has got
# it, too, and waits for that to end.
echo started >"$work/text"
check 'Ctrl-C ends the command with 130' terminal 'ready> ' "$RMPFS run -- tail -f $work/text\\n" \
    started '\x03' 'ready> ' 'echo "=$?="\n' '=130=' 'exit\n'
check 'Ctrl-Z stops it, fg goes on' terminal \
    'ready> ' "$RMPFS run -- sh -c 'echo st\"\"arted; read x; echo we\"\"ll-\$x'\\n" \
    started '\x1a' 'Stopped' '' 'ready> ' 'fg\n' 'run --' 'line\n' 'well-line' 'exit\n'
check 'an interactive shell has job control' terminal 'ready> ' "$RMPFS run -- bash --norc --noprofile -i\\n" \
    'ready> ' 'sh -c "echo st\\"\\"arted; read x"\n' started '\x1a' 'Stopped' '' 'ready> ' 'fg\n' 'sh -c' 'line\n' \
    'ready> ' 'exit\n' $'exit\r\n' '' 'ready> ' 'echo outs"id"e; exit\n' 'outside' ''
check 'a script takes its terminal back' terminal \
    'ready> ' "bash -c '$RMPFS run -- bash --norc --noprofile -i; read x; echo b\"\"ack-\$x'; exit\\n" \
    'bash-' 'exit\n' $'exit\r\n' 'line\n' 'back-line' ''

# --- The host's CPUs, not the machine's ---

S=/sys/devices/system
# Nothing here may touch the machine's own CPUs: it writes only if the files are the host's.
ours() {
    [ "$(run -- stat -f -c %T $S/cpu)" = fuseblk ] || run -- grep -q " $S/cpu .* fuse.rmpfs " /proc/self/mountinfo
}
check 'the CPUs in /sys are the host'"'"'s' ours
expect 'the CPUs match the table' '0-15 0-15 0-15 16' "$(run -- sh -c \
    "cat $S/cpu/online $S/cpu/possible $S/cpu/present; ls -d $S/cpu/cpu[0-9]* | wc -l" | paste -sd ' ')"
expect 'lscpu and numactl see them' '16 2 8 1' "$(run -- lscpu | awk -F ': *' \
    '/^(CPU\(s\)|Thread|Core|NUMA node\(s\))/ { print $2 }' | paste -sd ' ')"
if ours; then
    expect 'a CPU goes offline, as in the table, and comes back' '0-2,4-15 3 0-2,4-15 1 0-15' "$(run -- sh -c "
        cd $S/cpu; echo 0 >cpu3/online; cat online offline
        sed -n 's/^Memory @  1GB: CPU(s): //p' $D/rmpopt/rmpopt-table
        ls cpu3 | grep -c topology >/dev/null || ls cpu2 | grep -c topology; echo 1 >cpu3/online; cat online" \
        | paste -sd ' ')"
    refused 'v8 forbids it while SNP is active' 1 'Device or resource busy' \
        "$RMPFS" run --series v8 -- bash -c "echo 0 >$S/cpu/cpu1/online"
else
    not_ok 'a CPU goes offline'
    not_ok 'v8 forbids it'
fi
expect 'the switch of rmpsim and that of /sys are one' '0 1' "$(run -- sh -c \
    "echo 0 >$C/rmpsim/cpus/cpu5/online; cat $S/cpu/cpu5/online $S/cpu/cpu6/online" | paste -sd ' ')"
check 'CPU 0 has no switch' run -- test ! -e $S/cpu/cpu0/online
expect 'nodes, their CPUs and distances' '0-3 0-31,128-159 10 12 32 32' "$(run --machine server-6t-nps2 -- sh -c \
    "cat $S/node/online $S/node/node0/cpulist $S/node/node0/distance" 2>&1 | paste -sd ' ')"
expect 'memory of a node' '67108864' "$(run -- sed -n 's/.*MemTotal: *\([0-9]*\) kB/\1/p' $S/node/node0/meminfo)"
expect 'KVM reports SNP' 'Y' "$(run -- cat /sys/module/kvm_amd/parameters/sev_snp)"
expect 'other modules exist' "$(cat /sys/module/fuse/parameters/max_user_bgreq)" \
    "$(run -- cat /sys/module/fuse/parameters/max_user_bgreq)"
# According to the mount table alone: a sysfs through which the command could change the machine.
writable() {
    awk '{ for (i = 7; $i != "-"; i++); } $(i + 1) == "sysfs" && $6 !~ /^ro/ { print $5 }' /proc/self/mountinfo
}
export -f writable
expect 'no sysfs of the machine can be written' '' "$(run -- bash -c writable)"
expect 'nor can its registers be found' '' "$(run -- sh -c 'ls /dev/cpu 2>/dev/null')"
expect 'scripts find debugfs and configfs by their names' "configfs $C
debugfs $D" "$(run -- sh -c 'grep -E "^(configfs|debugfs) " /proc/mounts | cut -d " " -f 1,2')"
expect 'findmnt, too' "$D" "$(run -- findmnt -n -o TARGET -S debugfs)"

# --- One inside another ---

expect 'a run inside a run sees its own host' '65 3' \
    "$(run -- sh -c "wc -l <$D/rmpopt/rmpopt-table; '$RMPFS' run --memory 2G -- wc -l $D/rmpopt/rmpopt-table" \
        | awk '{ print $1 }' | paste -sd ' ')"
expect 'a mount works inside a run' 0 "$(mkdir -p "$work/inner"; run -- sh -c \
    "'$RMPFS' mount '$work/inner' && cat '$work/inner/rmpopt/reenable'")"

# --- An ordinary user ---

if [ "$(id -u)" != 0 ]; then
    for name in {1..16}; do skip "as an ordinary user ($name)" 'run as one already'; done
    finish
fi
user=65534
mkdir "$work/device"
install -m 755 "$RMPFS" "$work/rmpfs"
RMPFS=$work/rmpfs
as=(setpriv --reuid "$user" --regid "$user" --clear-groups)
chmod 777 "$work"
cd "$work" || exit
if ! { mount -t tmpfs -o mode=755 device "$work/device" && mknod -m 600 "$work/device/fuse" c 10 229 \
    && mount --bind "$work/device/fuse" /dev/fuse; } \
    || ! "${as[@]}" unshare --user --map-root-user true 2>/dev/null; then
    for name in {1..31}; do skip "as an ordinary user ($name)" 'no user namespaces, or no device, for users here'; done
    finish
fi
refused 'a device that he cannot open is named, with a remedy' 125 '^rmpfs: /dev/fuse: Permission denied.*chmod' \
    "${as[@]}" "$RMPFS" run -- true
chmod 666 "$work/device/fuse"
scripts 'an ordinary user'
expect 'he is who he was' "$user $user" "$(run -- sh -c 'echo $(id -u) $(id -g)')"
expect 'the tree is his' "$user:$user" "$(run -- stat -c %u:%g $C/rmpopt/action)"
rights() { run -- grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | cut -f 2 | sort -u; }
expect 'he has no rights that he had not' 0000000000000000 "$(rights)"
refused 'he cannot mount there' 32 'superuser|Operation not permitted|permission denied' \
    "${as[@]}" "$RMPFS" run -- mount -t tmpfs none /mnt
expect 'he writes files as himself' "$user" "$(run -- touch "$work/his"; stat -c %u "$work/his")"
expect '--root: the user is root in there' '0 0' "$(run --root -- sh -c 'echo $(id -u) $(id -g)')"
expect_file '--root: the same table' "$work/table" run --root -- cat $D/rmpopt/rmpopt-table
expect '--root: the tree is his' 0:0 "$(run --root -- stat -c %u:%g $C/rmpopt/action)"
expect '--root: outside it is the user' "$user" "$(run --root -- touch "$work/root"; stat -c %u "$work/root")"
status 7 'his exit status' -- sh -c 'exit 7'
begin user 'setsid sleep 60 & true'
kill -KILL "$front"
wait "$front" 2>/dev/null
check 'kill -9 of the process in front ends all that the user started' gone user

# A kernel that denies users user namespaces, as in a user namespace that allows no further one.
forbidden=(unshare --user --map-root-user setpriv --bounding-set=-all --inh-caps=-all)
refused 'no user namespaces: a message with a remedy' 125 '^rmpfs: cannot make a user namespace: .*as root' \
    "${forbidden[@]}" "$RMPFS" run -- true
finish

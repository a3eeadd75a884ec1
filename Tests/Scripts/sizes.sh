#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files that report size 0 are never taken for empty, and nobody sees the size that the kernel holds while one is open.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

plan 10

cat >"$work/calls.py" <<'END'
import errno, fcntl, os, struct, sys, termios

def answer(call):
    try:
        return str(call())
    except OSError as error:
        return errno.errorcode[error.errno]

path, cases = sys.argv[1], sys.argv[2:]
file, sink = os.open(path, os.O_RDONLY), os.open("/dev/null", os.O_WRONLY)
output, input = os.pipe()

def copies(call):
    """Content or a refusal, on which the client reads; 0 would be an empty file."""
    said = answer(call)
    return "copies" if said == "EINVAL" or said.isdigit() and said != "0" else said

def writer():
    global kept
    kept = os.open(path, os.O_WRONLY | os.O_TRUNC)

calls = {
    "sendfile": lambda: copies(lambda: os.sendfile(sink, file, 0, 10)),
    "splice": lambda: copies(lambda: os.splice(file, input, 10, 0)),
    "fstat": lambda: os.fstat(file).st_size,
    "stat": lambda: os.stat(path).st_size,
    "end": lambda: os.lseek(file, 0, os.SEEK_END),
    "set": lambda: os.lseek(file, 0, os.SEEK_SET),
    "fionread": lambda: struct.unpack("i", fcntl.ioctl(file, termios.FIONREAD, bytes(4)))[0],
    "chmod": lambda: os.chmod(path, 0o644),
    "list": lambda: len([entry.stat().st_size for entry in os.scandir(os.path.dirname(path))]) > 1,
    "reopen": lambda: os.dup2(os.open(path, os.O_RDONLY), file) * 0,
    "writer": writer,
    "read": lambda: len(os.read(file, 10)),
}
print(*(f"{case} {answer(calls[case])}" for case in cases), sep=", ")
END

# calls FILE CASE...
calls() { limit 20 python3 "$work/calls.py" "$@" 2>&1; }

mount_host host --pace 0
table=$M/debug/rmpopt/rmpopt-table

new=
if printf '6.5\n%s\n' "$(uname -r)" | sort -CV; then new=yes; fi

expect 'copied at once' 'sendfile copies, splice copies, read 10' "$(calls "$table" sendfile splice read)"
expect 'the size is 0, and the file is copied all the same' \
    'stat 0, fstat 0, sendfile copies, stat 0, splice copies, fstat 0' \
    "$(calls "$table" stat fstat sendfile stat splice fstat)"
expect 'copied after the folder was listed' 'list True, sendfile copies, stat 0' "$(calls "$table" list sendfile stat)"
expect 'copied after chmod' 'chmod None, sendfile copies, fstat 0, splice copies' \
    "$(calls "$table" chmod sendfile fstat splice)"
expect 'bytes to read, by the size' 'fionread 0, read 10, fionread -10' "$(calls "$table" fionread read fionread)"
expect 'opened again and again' 'stat 0, reopen 0, sendfile copies, reopen 0, sendfile copies' \
    "$(calls "$table" stat reopen sendfile reopen sendfile)"
if [ -n "$new" ]; then
    expect 'SEEK_END is EINVAL, as in the kernel, and changes nothing' \
        'end EINVAL, sendfile copies, set 0, fstat 0, end EINVAL' "$(calls "$table" end sendfile set fstat end)"
else
    skip 'SEEK_END is EINVAL, as in the kernel, and changes nothing' "Linux $(uname -r) does not ask"
fi
expect 'an attribute: its end is its size' 'end 4096, set 0, sendfile copies, fstat 4096' \
    "$(calls "$M/rmpopt/action" end set sendfile fstat)"
expect 'an attribute that somebody has truncated but not closed' 'writer None, reopen 0, sendfile copies, fstat 0' \
    "$(calls "$M/rmpopt/action" writer reopen sendfile fstat)"
check 'unmount' unmount_host
finish

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Faults on demand, rmpsim/faults/: each kind on each operation, changed while in use; the daemon itself never waits.
# TIMEOUT: 180

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3

plan 111

mount_host host --pace 0
F=$M/rmpsim/faults G=$M/rmpsim/guests
action=$M/rmpopt/action cpu0=$M/debug/rmpopt/cpu0 table=$M/debug/rmpopt/rmpopt-table

clients() { limit 60 python3 "$top/Tests/Scripts/faults.py" "$@"; }
# fault NAME SETTING=VALUE...: makes a fault.
fault() {
    local name=$1 setting
    shift
    mkdir "$F/$name" || return
    for setting; do echo "${setting#*=}" >"$F/$name/${setting%%=*}" || return; done
}
# fewer NAME...: removes faults.
fewer() { local name; for name; do rmdir "$F/$name"; done; }
hits() { cat "$F/$1/hits"; }
outcomes() { local file; for file; do call read "$file"; done | paste -sd ' '; }

# --- Errors, operation by operation ---

check 'a read fails' fault f path='debug/rmpopt/cpu*' operation=read errno=EIO
expect 'with its error' 'EIO EIO' "$(outcomes "$cpu0" "$M/debug/rmpopt/cpu15")"
expect 'others read on' '33 1820' "$(outcomes "$action" "$table")"
expect 'opening works' 0 "$(call open "$cpu0" RDONLY)"
expect 'the hits were counted' 2 "$(hits f)"
echo EAGAIN >"$F/f/errno"
expect 'another error acts at once' EAGAIN "$(call read "$cpu0")"
echo open >"$F/f/operation"
expect 'another operation does' 'EAGAIN' "$(call open "$cpu0" RDONLY)"
exec 5<"$action"
echo rmpopt/action >"$F/f/path"
expect 'so does another path' 'EAGAIN 1596' "$(outcomes "$action" "$cpu0")"
expect 'what is open stays open' 'RMP optimization in progress: No' "$(cat <&5)"
exec 5<&-
check 'rmdir' fewer f
expect 'restores all' '33 1596' "$(outcomes "$action" "$cpu0")"

# struck OPERATION PATH ERROR CALL...: the operation fails with the error, but only while the fault exists.
struck() {
    local operation=$1 path=$2 error=$3
    shift 3
    fault one path="$path" operation="$operation" errno="$error"
    expect "$operation: $error" "$error" "$(call "$@")"
    fewer one
    expect "$operation: restored" "$(no_error "$operation")" "$(call "$@")"
}
no_error() {
    case $1 in
    write) echo 2 ;;
    lookup) echo 4096 ;;
    *) echo 0 ;;
    esac
}
struck open rmpopt/reenable ENFILE open "$M/rmpopt/reenable" RDWR
struck write rmpopt/reenable ETIMEDOUT write "$M/rmpopt/reenable" '1\n'
struck lookup rmpopt/reenable ESTALE stat "$M/rmpopt/reenable"
struck getattr debug/rmpopt/cpu3 EREMOTEIO stat "$M/debug/rmpopt/cpu3"
struck mkdir 'rmpsim/guests/new*' EDQUOT mkdir "$G/new1"
struck rmdir 'rmpsim/guests/new1' EUCLEAN rmdir "$G/new1"
struck any 'rmpsim/guests/*' ENODEV mkdir "$G/new2"
rmdir "$G/new2"
echo +1min >"$M/rmpsim/clock"
fault list path=debug/rmpopt operation=readdir errno=EIO
refused 'readdir: EIO' 2 'Input/output error' ls "$M/debug/rmpopt"
fewer list
expect 'readdir: restored' 16 "$(find "$M/debug/rmpopt" -name 'cpu*' | wc -l)"
# By now the kernel has cached all of these, for an hour.
stat "$cpu0" "$M/debug/rmpopt" >"$work/.output"
fault remembered path='debug/rmpopt**' operation=getattr errno=EIO
check 'getattr strikes cached attributes' within 5 eval '[ "$(call stat "$cpu0")" = EIO ]'
fewer remembered
expect 'and is forgotten with the fault' 0 "$(call stat "$cpu0")"
fault unseen path='debug/rmpopt/new' operation=lookup errno=EACCES
expect 'lookup strikes names that do not exist' EACCES "$(call stat "$M/debug/rmpopt/new")"
fewer unseen
expect 'and leaves nothing behind' ENOENT "$(call stat "$M/debug/rmpopt/new")"

# --- Short reads, counts, chance ---

fault short path='debug/**' operation=read short=100
expect 'short reads' '100 100 100 100 100 100 100 100 100 100 100 100 100 100 100 96 0' "$(clients sizes 4096 "$cpu0")"
expect 'readers that loop get the text' 1820 "$(cat "$table" | wc -c)"
echo 0 >"$F/short/short"
expect 'short 0: an early end' 0 "$(clients sizes 4096 "$cpu0")"
fewer short
expect 'restored' '1596 0' "$(clients sizes 4096 "$cpu0")"

fault few path="rmpopt/action" operation=open errno=EBUSY count=3
expect 'count 3' 'EBUSY EBUSY EBUSY . .' "$(clients sequence 5 "$action")"
expect 'is spent' '0 3' "$(cat "$F/few/count") $(hits few)"
echo 1 >"$F/few/count"
expect 'and can be set anew' 'EBUSY .' "$(clients sequence 2 "$action")"
echo >"$F/few/count"
expect 'an empty count means forever' '-1 EBUSY EBUSY EBUSY' "$(cat "$F/few/count") $(clients sequence 3 "$action")"
echo 0 >"$F/few/active"
expect 'active 0 pauses it' '. .' "$(clients sequence 2 "$action")"
echo 1 >"$F/few/active"
expect 'active 1 goes on' 'EBUSY' "$(clients sequence 1 "$action")"
fewer few

fault chance path='rmpopt/action' operation=read errno=EIO probability=30% seed=42
first=$(clients sequence 60 "$action")
check 'probability: some fail' grep -q EIO <<<"$first"
check 'and some do not' grep -qF . <<<"$first"
echo 42 >"$F/chance/seed"
expect 'the same seed gives the same failures' "$first" "$(clients sequence 60 "$action")"
echo 43 >"$F/chance/seed"
check 'another seed gives others' test "$first" != "$(clients sequence 60 "$action")"
fewer chance

fault one path='rmpopt/*' errno=EIO operation=open
fault two path='rmpopt/action' errno=EBUSY operation=open
expect 'the first of two gives the error' EIO "$(call open "$action" RDONLY)"
expect 'both count' '1 1' "$(hits one) $(hits two)"
fewer one
expect 'then the other does' EBUSY "$(call open "$action" RDONLY)"
fewer two

# --- Values ---

mkdir "$F/v"
# value FILE TEXT OUTCOME
value() { expect "$1: '$2'" "$3" "$(call write "$F/v/$1" "$2")"; }
value errno EIO 3
value errno 'ENOSUCH' EINVAL
value errno 512 ERANGE
value errno ENOSYS ENOTSUP
value path '/debug' EINVAL
value path '[a' EINVAL
value operation fsync EINVAL
value delay_ms -1 EINVAL
value delay_ms 4294967296 ERANGE
value short -2 EINVAL
value probability 1.5 ERANGE
value probability often EINVAL
value active 2 EINVAL
expect 'hits cannot be written' EACCES "$(call write "$F/v/hits" 0)"
expect 'they are as they were' EIO "$(cat "$F/v/errno")"
expect 'a fault without a path strikes nothing' 33 "$(call read "$action")"
expect 'a second of its name: EEXIST' EEXIST "$(call mkdir "$F/v")"
expect 'settings cannot be removed' EPERM "$(call unlink "$F/v/path")"
fewer v
expect 'there is no such fault: ENOENT' ENOENT "$(call rmdir "$F/v")"

# --- Passes that do not end ---

K=$M/rmpsim/clock
echo +1min >"$K"
reenable() { cat "$M/rmpopt/reenable"; }
check 'a fault on passes' fault stuck operation=pass
expect 'starts none' '0 1' "$(reenable) $(hits stuck)"
echo 1 >"$M/rmpopt/action"
echo +1min >"$K"
expect 'a pass that begins does not end' 1 "$(reenable)"
echo 0 >"$F/stuck/active"
echo +1min >"$K"
expect 'active 0 lets it end' 0 "$(reenable)"
echo 1 >"$M/rmpopt/action"
echo +1ms >"$K"
echo 1 >"$F/stuck/active"
echo +1min >"$K"
expect 'one that runs does not end either' 1 "$(reenable)"
check 'rmdir' fewer stuck
expect 'does not end it at once' 1 "$(reenable)"
echo +1min >"$K"
expect 'but lets it go on' 0 "$(reenable)"

# --- Faults cannot lock themselves in ---

check 'a fault on everything' fault all path='**' errno=EIO
expect 'strikes everything' 'EIO EIO' "$(outcomes "$action" "$G")"
expect 'but not itself' '** EIO' "$(cat "$F/all/path") $(cat "$F/all/errno")"
expect 'nor its folder' all "$(ls "$F")"
check 'a second one can be made' fault more path='**' delay_ms=60000
check 'and both can be removed' limit 5 rmdir "$F/all" "$F/more"
expect 'everything is as before' 33 "$(call read "$action")"

# --- Delays: only delayed clients wait ---

milliseconds() {
    local start
    start=$(date +%s%N)
    "$@" >"$work/said" 2>&1
    echo $((($(date +%s%N) - start) / 1000000))
}
fault slow path='rmpopt/action' operation=open delay_ms=300
check 'a delay delays' test "$(milliseconds cat "$action")" -ge 300
expect 'the answer is right' 'RMP optimization in progress: No' "$(cat "$work/said")"
fewer slow
# `any`, the default: each of these waits once, however many requests it makes.
fault slow path='**' delay_ms=20
waits() { "$@" >"$work/said" 2>&1; hits slow; }
expect 'a delay of any: cat waits once' 1 "$(waits cat "$cpu0")"
expect 'echo waits once' 2 "$(waits bash -c "echo 0 >'$M/rmpsim/firmware/fail_init'")"
expect 'ls waits once' 3 "$(waits ls "$M/debug/rmpopt")"
expect 'stat does not wait' 3 "$(waits stat "$cpu0")"
fewer slow
expect 'without it there is none' 33 "$(call read "$action")"

fault slow path='rmpopt/action' operation=read delay_ms=600000
clients reads 1000 "$action" "$work/go" >"$work/ended" &
wait_for=$!
check '1,000 clients wait' within 30 eval '[ "$(hits slow)" = 1000 ]'
check 'others are answered at once' limit 5 bash -c \
    "for i in {1..100}; do cat '$cpu0' '$M/rmpopt/reenable' >/dev/null; done; echo 1 >'$M/rmpopt/action'"
expect 'they still wait' 1000 "$(hits slow)"
fewer slow
check 'removing the fault ends their wait' within 20 eval '! kill -0 "$wait_for" 2>/dev/null'
expect 'all have their text' 'text 1000' "$(cat "$work/ended")"

fault slow path='rmpopt/action' operation=read delay_ms=600000
cat "$action" >"$work/ended" 2>&1 &
wait_for=$!
within 5 eval '[ "$(hits slow)" = 1 ]'
disown "$wait_for"
kill -KILL "$wait_for"
check 'a client that is killed while it waits exits' within 5 eval '! kill -0 "$wait_for" 2>/dev/null'
expect 'a client whose delay is over ends, too' 124 "$(timeout 0.3 cat "$action" >/dev/null 2>&1; echo $?)"
cat "$action" >"$work/ended" 2>&1 &
wait_for=$!
within 5 eval '[ "$(hits slow)" = 3 ]'
echo 0 >"$F/slow/active"
check 'active 0 releases waiting clients' within 5 eval '! kill -0 "$wait_for" 2>/dev/null'
expect 'with the text' 'RMP optimization in progress: Yes' "$(cat "$work/ended")"
fewer slow
check 'clients take only one descriptor each' \
    test "$(find "/proc/$(daemons "$M")/fd" -mindepth 1 | wc -l)" -lt 20

fault name path='rmpsim/guests/*' operation=mkdir delay_ms=300
check 'mkdir is delayed' test "$(milliseconds mkdir "$G/vm0")" -ge 300
expect 'and works' stopped "$(cat "$G/vm0/state")"
fewer name

# --- Many faults that come and go ---

seed=${RMPFS_TEST_SEED:-$RANDOM}
echo "# RMPFS_TEST_SEED=$seed"
echo +1min >"$K"
before=$(cat "$cpu0" "$table" | sha256sum)
expect 'nothing strikes the faults themselves' '' "$(clients storm 40 "$seed" "$M")"
expect 'none is left' '' "$(ls "$F")"
rmdir "$G"/storm* 2>/dev/null
echo +1min >"$K"
expect 'everything is as before' "$before" "$(cat "$cpu0" "$table" | sha256sum)"
check 'no descriptor is left' test "$(find "/proc/$(daemons "$M")/fd" -mindepth 1 | wc -l)" -lt 20

# --- An end while requests are delayed ---

fault slow path='**' operation=read delay_ms=600000
rm -f "$work/go"
clients reads 200 "$table" "$work/go" >"$work/ended" &
wait_for=$!
within 20 eval '[ "$(hits slow)" = 200 ]'
start=$SECONDS
kill -TERM "$(daemons "$M")"
check 'SIGTERM while 200 requests are delayed: nothing is left' nothing_left "$M"
check 'at once' test $((SECONDS - start)) -le 2
check 'no client is waiting' within 5 eval '! kill -0 "$wait_for" 2>/dev/null'
expect 'they got errors' 'ENOTCONN 200' "$(cat "$work/ended")"

mount_host killed --pace 0
F=$M/rmpsim/faults
fault slow path='**' operation=read delay_ms=600000
rm -f "$work/go"
clients reads 50 "$M/rmpopt/action" "$work/go" >"$work/ended" &
wait_for=$!
within 20 eval '[ "$(hits slow)" = 50 ]'
kill -KILL "$(daemons "$M")"
check 'kill -9 while requests wait: nobody hangs' within 5 eval '! kill -0 "$wait_for" 2>/dev/null'
check 'and each got an error' grep -qE '^(ECONNABORTED|ENOTCONN) 50$' "$work/ended"
finish

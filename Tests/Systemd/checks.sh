#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How systemd works with rmpfs. Runs as a service in the container that Tests/Scripts/systemd.sh boots, and nowhere
# else.

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/../Scripts/lib.bash"
[ "$(systemd-detect-virt)" = systemd-nspawn ] || { echo 'Bail out! only for the container of systemd.sh'; exit 1; }
plan 41
trap 'journalctl --no-pager --boot >/results/journal; clean_up' EXIT

active() { limit 30 systemctl is-active "$@" | paste -sd ' '; }
now_active() { [ "$(active "$2")" = "$1" ]; }
is() { within 20 now_active "$@" || { limit 30 systemctl status --no-pager "$2"; return 1; }; }
# who PATH: source and type of the mount there, without triggering the automount.
who() { findmnt -no SOURCE,FSTYPE -t nofuse.none,noautofs "$1" | awk '{ print $1, $2 }'; }
cpus() { find "$1/debug/rmpopt" -name 'cpu*' | wc -l; }
said() { limit 30 journalctl --no-pager --boot --output cat --unit "$1"; }
rmpfs_at() { pgrep -f "rmpfs.*$1( |\$)"; }
none_at() { [ -z "$(who "$1")" ] && ! rmpfs_at "$1"; }

# --- /etc/fstab: noauto,x-systemd.automount ---

expect 'after boot the automount waits' 'active inactive' "$(active mnt-host.automount mnt-host.mount)"
check 'ls mounts' limit 30 ls /mnt/host/rmpopt
expect 'the source and the type of the line' 'host1 fuse.rmpfs' "$(who /mnt/host)"
expect 'its options' 4 "$(cpus /mnt/host)"
expect 'systemd knows' active "$(active mnt-host.mount)"
check 'umount' limit 20 umount /mnt/host
check 'systemd knows' is inactive mnt-host.mount
check 'its rmpfs has ended' within 10 none_at /mnt/host
expect 'ls mounts again' 4 "$(limit 30 ls /mnt/host/debug/rmpopt | grep -c cpu)"
# Many clients at once share one mount.
limit 20 umount /mnt/host
for client in {1..8}; do limit 30 cat /mnt/host/rmpopt/reenable >"$work/client.$client" 2>&1 & done
wait
expect 'eight clients at once are all answered' 8 "$(cat "$work"/client.* | grep -cx 0)"
expect 'by one rmpfs' 1 "$(rmpfs_at /mnt/host | wc -l)"
check 'stopping the automount' limit 30 systemctl stop mnt-host.automount
check 'takes the mount away' within 10 none_at /mnt/host

check 'x-systemd.idle-timeout: ls mounts' limit 30 ls /mnt/idle/rmpopt
check 'who is idle is unmounted' is inactive mnt-idle.mount
check 'and has ended' within 10 none_at /mnt/idle
expect 'ls mounts again' 2 "$(limit 30 ls /mnt/idle/debug/rmpopt | grep -c cpu)"

refused 'a line that is wrong: ls is told' 2 'No such device|Input/output error' ls /mnt/wrong
check 'the journal says what is wrong' grep -q '0 CPUs: a machine has 1 to 8192' <(said mnt-wrong.mount)

# --- Mounts at boot ---

expect 'mounted at boot' 'host4 fuse.rmpfs' "$(who /mnt/boot)"
expect 'with its options' 'series: v8' "$(head -n 1 /mnt/boot/debug/rmpopt/series)"
check 'nofail: a line that is wrong does not keep the machine from booting' is failed mnt-missing.mount
expect 'an RMP, after the modules that it needs' 'host-rmp fuse.rmpfs' "$(who /mnt/rmp)"
expect 'with its group and mode' '750 60' "$(stat -c '%a %g' /mnt/rmp/debug)"
check 'systemctl stop' limit 30 systemctl stop mnt-boot.mount
check 'ends it' within 10 none_at /mnt/boot
check 'systemctl start' limit 30 systemctl start mnt-boot.mount
# It stays mounted until the shutdown.

# --- rmpfs@.service ---

echo 'RMPFS_OPTIONS=--cpus 6 -o mode=755' >/etc/rmpfs/mnt-service.conf
check 'rmpfs@.service: start returns when the mount answers' eval \
    'limit 30 systemctl start rmpfs@mnt-service && [ "$(cpus /mnt/service)" = 6 ]'
expect 'rmpfs is its main process' rmpfs "$(cat "/proc/$(systemctl show -P MainPID rmpfs@mnt-service)/comm")"
kill -KILL "$(systemctl show -P MainPID rmpfs@mnt-service)"
again() { [ "$(systemctl show -P NRestarts rmpfs@mnt-service)" = 1 ] && now_active active rmpfs@mnt-service; }
check 'after kill -9 it is started again' within 20 again
expect 'and answers' 6 "$(cpus /mnt/service)"

# --- rmpfs-textfile.service and its timer ---

# Its files would be looked at while it is idle.
limit 30 systemctl stop mnt-idle.automount
within 10 none_at /mnt/idle
mkdir -p /etc/default /run/collector
echo 'RMPFS_TEXTFILE=/run/collector' >/etc/default/rmpfs-textfile
up() { sed -n 's/^rmpopt_up{mount="\(.*\)"} /\1 /p' /run/collector/*.prom | sort | paste -sd ' '; }
check 'rmpfs-textfile.service writes' limit 60 systemctl start rmpfs-textfile
expect 'of all mounts' '/mnt/boot 1 /mnt/rmp 1 /mnt/service 1' "$(up)"
check 'its timer waits' eval 'limit 30 systemctl start rmpfs-textfile.timer && is active rmpfs-textfile.timer'
rm /run/collector/*
echo 'RMPFS_MOUNTS=/mnt/service /mnt/none' >>/etc/default/rmpfs-textfile
check 'mounts can be named' limit 60 systemctl start rmpfs-textfile
expect 'one that is not mounted is down' '/mnt/none 0 /mnt/service 1' "$(up)"
limit 30 systemctl stop rmpfs-textfile.timer

check 'stop' limit 30 systemctl stop rmpfs@mnt-service
check 'ends it' within 10 none_at /mnt/service
expect 'and the journal complains of nothing' '' "$(said rmpfs@mnt-service | grep 'nothing is mounted')"
echo 'RMPFS_OPTIONS=--cpus none' >/etc/rmpfs/mnt-plain.conf
refused 'options that are wrong' 1 'failed' systemctl start rmpfs@mnt-plain
check 'the journal says what is wrong' grep -q "'none' is invalid for '--cpus" <(said rmpfs@mnt-plain)
finish

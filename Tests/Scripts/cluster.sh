#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# packaging/cluster: shards of one scenario through a real Slurm (where slurm-wlm and munge are installed, as root), as
# the pods of the Kubernetes manifest would run them, and through GNU parallel; a shard that fails and is run again.
# Merged they are what one process writes, byte for byte.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 cmp
plan 9
cd "$work" || exit
kit=$top/packaging/cluster
export RMPFS

cat >mix.yaml <<'END'
cpus: 16
memory: 64G
duration: 1d
seeds: 2
snp_percent: [30, 70]
placement: [packed, buddy]
workload: {arrivals_per_hour: 4}
END
limit 60 "$RMPFS" simulate mix.yaml --out whole >/dev/null

# --- Slurm: a cluster of this one machine ---

daemons_of_slurm=()
end_slurm() {
    local file
    for file in "${daemons_of_slurm[@]}"; do [ ! -s "$file" ] || kill "$(cat "$file")" 2>/dev/null; done
}
trap 'status=$?; end_slurm; (exit "$status"); clean_up' EXIT

start_slurm() {
    local host
    host=$(hostname -s)
    mkdir -p "$work/slurm/state" "$work/slurm/spool" /run/munge
    chown munge: /run/munge
    if ! pgrep -x munged >/dev/null; then
        runuser -u munge -- /usr/sbin/munged || return 1
        daemons_of_slurm+=(/run/munge/munged.pid)
    fi
    cat >"$work/slurm/slurm.conf" <<END
ClusterName=lab
SlurmctldHost=$host
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
SlurmctldPidFile=$work/slurm/slurmctld.pid
SlurmdPidFile=$work/slurm/slurmd.pid
SlurmctldLogFile=$work/slurm/slurmctld.log
SlurmdLogFile=$work/slurm/slurmd.log
ReturnToService=2
NodeName=$host CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    export SLURM_CONF=$work/slurm/slurm.conf
    daemons_of_slurm+=("$work/slurm/slurmctld.pid" "$work/slurm/slurmd.pid")
    slurmctld && slurmd || return 1
    within 30 eval 'sinfo -h -o %T | grep -q idle'
}

if [ "$(id -u)" = 0 ] && command -v slurmctld slurmd sbatch munged >/dev/null; then
    check 'a Slurm of one machine starts' start_slurm
    # Task 2 of 4 fails at first: its folder cannot be made.
    mkdir slurm-out
    touch slurm-out/shard-2
    limit 100 sbatch --wait --output=log-%a --array=0-3 "$kit/simulate.sbatch" "$work/mix.yaml" "$work/slurm-out" 4 \
        >said 2>&1
    expect 'a task that fails fails the array' 1 $?
    "$RMPFS" report --csv slurm-out/shard-[013] 2>/dev/null >part.csv
    expect 'the others have done their part' 7 "$(wc -l <part.csv)"
    rm slurm-out/shard-2
    check 'it is run again alone' limit 60 sbatch --wait --output=log-%a --array=2 "$kit/simulate.sbatch" \
        "$work/mix.yaml" "$work/slurm-out" 4
    check 'merged: the same, byte for byte' cmp whole/results.csv <("$RMPFS" report --csv slurm-out/shard-*)
    end_slurm
else
    for name in 'a Slurm of one machine starts' 'a task that fails fails the array' 'the others have done their part' \
        'it is run again alone' 'merged: the same, byte for byte'; do
        skip "$name" 'needs root, slurm-wlm and munge'
    done
fi
refused 'without its words the script says how it is called' 64 '^usage: sbatch' bash "$kit/simulate.sbatch"

# --- Kubernetes: what a pod's container runs, with the paths of this machine ---

pods() { python3 - "$kit/simulate-job.yaml" <<'END'
import os, re, subprocess, sys
text = open(sys.argv[1], encoding="utf-8").read()
count = int(re.search(r"^  completions: (\d+)$", text, re.M)[1])
assert re.search(r"^  completionMode: Indexed$", text, re.M)
assert re.search(r"^          command: \[sh, -c\]$", text, re.M)
script = " ".join(re.search(r"- >-\n((?: {14}.*\n)+)", text)[1].split())
assert f"/{count}" in script, (script, count)
script = script.replace("exec rmpfs", 'exec "$RMPFS"').replace("/scenario/scenario.yaml", "mix.yaml")
script = script.replace("/results/", "pods/")
os.mkdir("pods")
for index in range(count):
    environment = dict(os.environ, JOB_COMPLETION_INDEX=str(index))
    subprocess.run(["sh", "-c", script], env=environment, check=True, timeout=60, stdout=subprocess.DEVNULL)
END
}
check 'every pod of the manifest does its shard' pods
check 'merged: the same' cmp whole/results.csv <("$RMPFS" report --csv pods/shard-*)

# --- GNU parallel, with the line of docs/simulate.md ---

if command -v parallel >/dev/null; then
    line=$(grep -m 1 '^parallel ' "$top/docs/simulate.md")
    mkdir -p bin
    ln -s "$RMPFS" bin/rmpfs
    export PATH=$work/bin:$PATH
    limit 60 bash -c "$line" >/dev/null 2>&1
    check 'the line for GNU parallel' cmp whole/results.csv <("$RMPFS" report --csv mix/shard-*)
else
    skip 'the line for GNU parallel' 'parallel is not installed'
fi
finish

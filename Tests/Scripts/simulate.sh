#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The policy lab from outside: --demo, errors with their place, what is kept after SIGINT and after kill -9, and that
# jobs, interruptions, shards and repetitions change no byte of the results.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 cmp
plan 41
cd "$work" || exit

# A host on which a run takes a fraction of a second, 12 runs.
cat >small.yaml <<'END'
name: small & <fine>
cpus: 16
memory: 64G
duration: 2d
seeds: 2
snp_percent: [30, 70]
placement: [packed, buddy, optimum]
workload: {arrivals_per_hour: 4}
END
# The same, but far too long to end by itself.
sed -e 's/^duration: .*/duration: 3650d/' -e 's/^seeds: .*/seeds: 50/' small.yaml >long.yaml

# results FOLDER: everything in a folder but the files of single runs that say nothing more.
results() { (cd "$1" && find . -type f ! -name '*.new' -print0 | sort -z | xargs -0 sha256sum); }

check '--demo' eval 'limit 120 "$RMPFS" simulate --demo >demo 2>said'
check 'it opens with what it shows' grep -q '^One host (2 TB, 384 CPUs)' demo
expect 'has a line for each run' 10 "$(grep -cE '^(25|75) ' demo)"
expect 'and says nothing else' '' "$(cat said)"
refused '--demo with a scenario' 64 'omit them' "$RMPFS" simulate --demo small.yaml

check 'a scenario' limit 60 "$RMPFS" simulate small.yaml --out one --jobs 1
expect 'all its runs' 13 "$(wc -l <one/results.csv)"
check 'with three jobs' limit 60 "$RMPFS" simulate small.yaml --out three --jobs 3
expect 'the same, byte for byte' "$(results one)" "$(results three)"
check 'from what it has written' limit 60 "$RMPFS" simulate one/scenario.yaml --out again
expect 'the same again' "$(results one)" "$(results again)"
before=$(stat -c %Y.%i one/runs/*)
check 'once more' eval 'limit 60 "$RMPFS" simulate small.yaml --out one 2>said'
expect 'everything is there already' 'rmpfs: 12 of 12 runs are finished already' "$(cat said)"
expect 'nothing was run' "$before" "$(stat -c %Y.%i one/runs/*)"
refused 'another scenario in the same folder' 1 'one: holds results of another scenario' \
    "$RMPFS" simulate small.yaml --out one --seed 7

for shard in 0 1 2; do limit 60 "$RMPFS" simulate small.yaml --shard $shard/3 --out part$shard >/dev/null; done
check 'shards, merged' cmp one/results.csv <("$RMPFS" report --csv part2 part0 part1)
check 'a shard that was run twice counts once' cmp one/results.csv <("$RMPFS" report --csv part0 part1 part2 part0 one)
check 'as JSON' cmp one/results.json <("$RMPFS" report --json part0 part1 part2)
"$RMPFS" report --html merged.html part0 part1 part2
check 'as HTML' cmp one/report.html merged.html
limit 60 "$RMPFS" simulate small.yaml --shard 0/12 --out single >/dev/null
check 'one run of many: the table says which seed' \
    grep -q '^snp_percent  placement  seed ' <("$RMPFS" report single 2>&1)
check 'a missing shard is told' grep -q '^rmpfs: 8 of 12 runs are finished' <("$RMPFS" report part0 part1 2>&1)
refused 'a missing folder' 1 '^rmpfs: missing: there are no results of rmpfs simulate here' "$RMPFS" report one missing
sed 's/^seeds: .*/seeds: 1/' small.yaml >other.yaml
limit 60 "$RMPFS" simulate other.yaml --out other >/dev/null
refused 'results of two scenarios' 1 'other: results of another scenario than one' "$RMPFS" report one other

page() { python3 - "$1" <<'END'
import html.parser, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.count = [], {}
    def handle_starttag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag != "meta":
            self.open.append(tag)
        for name, value in attributes:
            assert name not in ("src", "href", "onclick"), (tag, name)
    def handle_startendtag(self, tag, attributes):
        self.count[tag] = self.count.get(tag, 0) + 1
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
page = Page()
page.feed(text)
assert not page.open, page.open
assert "script" not in page.count and not re.search("https?:", text)
assert page.count["svg"] >= 2 and page.count["rect"] >= 6
assert "small &amp; &lt;fine&gt;" in text and "<fine>" not in text
assert "prefers-color-scheme: dark" in text
END
}
check 'the report is whole, needs nothing else, and runs no script' page one/report.html
check 'the shares of each run add up to 1' python3 - <<'END'
import csv
parts = ["fast_share", "lost_neighbour", "lost_unscanned", "lost_window", "lost_fixed"]
rows = list(csv.DictReader(open("one/results.csv")))
assert len(rows) == 12
for row in rows:
    assert abs(sum(float(row[part]) for part in parts) - 1) < 4e-6, row
    assert float(row["fast_share"]) <= float(row["optimum_share"]) + 1e-6, row
END

words() { python3 - "$top/docs/simulate.md" <<'END'
import html, re, sys
page = " ".join(open(sys.argv[1], encoding="utf-8").read().split())
report = open("one/report.html", encoding="utf-8").read()
columns = re.findall(r"<tr><td><code>(.*?)</code></td><td>(.*?)</td></tr>", report)
assumptions = re.findall("<li>([^<]*)</li>", report[report.index("What the model assumes"):])
assert len(columns) > 20 and len(assumptions) > 5
for name, about in columns:
    assert f"| `{name}` | {html.unescape(about)} |" in page, name
for text in assumptions:
    assert f"- {html.unescape(text)}" in page, text
END
}
check 'docs/simulate.md says the same of columns and assumptions' words

# Interrupted: the same scenario with enough runs that some are finished and some are not.
finished() { compgen -G "$1/runs/*.csv" >/dev/null; }
sed -e 's/^seeds: .*/seeds: 16/' -e 's/^duration: .*/duration: 20d/' small.yaml >many.yaml
"$RMPFS" simulate many.yaml --out stopped --jobs 2 >/dev/null 2>said &
pid=$!
within 30 finished stopped
kill -INT "$pid"
wait "$pid"
expect 'SIGINT ends it' 130 $?
check 'it says what is kept' grep -qE '^rmpfs: interrupted; [0-9]+ of 96 runs are kept in stopped$' said
kept=$(find stopped/runs -name '*.csv' | wc -l)
check 'something, but not all' eval '[ "$kept" -gt 0 ] && [ "$kept" -lt 96 ]'
expect 'results have what is finished' $((kept + 1)) "$(wc -l <stopped/results.csv)"
"$RMPFS" simulate many.yaml --out stopped --jobs 2 >/dev/null 2>&1 &
pid=$!
more() { [ "$(find stopped/runs -name '*.csv' | wc -l)" -gt "$kept" ]; }
within 30 more
refused 'a second one in the same folder' 1 'another rmpfs simulate writes here' \
    "$RMPFS" simulate many.yaml --out stopped
kill -KILL "$pid"
wait "$pid" 2>/dev/null
check 'the same command goes on, even after kill -9' limit 120 "$RMPFS" simulate many.yaml --out stopped
limit 120 "$RMPFS" simulate many.yaml --out whole >/dev/null
expect 'as if nothing had happened' "$(results whole)" "$(results stopped)"

printf 'cpus: 16\nplacement: [packed, worst]\n' >bad.yaml
refused 'a bad value' 1 'bad.yaml:2: placement\[1\]: ' "$RMPFS" simulate bad.yaml --out bad
printf 'workload:\n  trace: bad.csv\n' >bad.yaml
printf 'arrival_s,memory_mib,lifetime_s\n0,1,1\n0,x,1\n' >bad.csv
refused 'a bad row of a trace' 1 "bad.csv:3: memory_mib: 'x' is not valid" "$RMPFS" simulate bad.yaml --out bad
# Folders of results hold what they name.
mkdir sub
printf 'arrival_s,memory_mib,lifetime_s\n0,1024,100\n5,2048,\n' >sub/t.csv
cp "$top/Machines/laptop.yaml" sub/host.yaml
printf 'machine: [host.yaml, laptop]\nduration: 1h\nworkload:\n  trace: t.csv\n' >sub/traced.yaml
check 'a scenario with a trace and a machine file' limit 60 "$RMPFS" simulate sub/traced.yaml --out traced
check 'from what it has written, without these' eval 'mkdir -p moved/on && mv traced moved/on/ && rm sub/*.csv &&
    limit 60 "$RMPFS" simulate moved/on/traced/scenario.yaml --out traced-again'
expect 'the same, byte for byte' "$(results moved/on/traced)" "$(results traced-again)"
refused 'a trace that is not there' 1 '^rmpfs: sub/traced.yaml:4: workload.trace: sub/t.csv: No such file' \
    "$RMPFS" simulate sub/traced.yaml --out traced
refused 'a folder that cannot be made' 1 '^rmpfs: small.yaml/out: Not a directory' \
    "$RMPFS" simulate small.yaml --out small.yaml/out

# On a terminal a line tells how far it is.
progress() { python3 - "$RMPFS" <<'END'
import os, pty, re, signal, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "simulate", "long.yaml", "--out", "long"])
os.set_blocking(terminal, False)
text, end = b"", time.monotonic() + 30
while time.monotonic() < end and not re.search(rb"\d+ %  \d+ of 300 runs", text):
    try:
        text += os.read(terminal, 4096)
    except BlockingIOError:
        time.sleep(0.02)
os.kill(pid, signal.SIGINT)
end = time.monotonic() + 30
while time.monotonic() < end:
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        assert os.waitstatus_to_exitcode(status) == 130, status
        break
    try:
        os.read(terminal, 4096)
    except (BlockingIOError, OSError):
        time.sleep(0.02)
else:
    os.kill(pid, signal.SIGKILL)
    sys.exit("it did not end")
assert re.search(rb"\d+ %  \d+ of 300 runs", text), text
END
}
check 'a line on a terminal tells how far it is' progress
finish

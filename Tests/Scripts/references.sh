#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that the pages refer to exists: local links and their anchors, and an entry in docs/sources.md for each
# patch, mail, commit, manual and file of Linux that pages, comments and `rmpfs series --sources` name. Uses no network:
# external links are only checked for their form. Output is KTAP; exit status 0: everything exists, 1: something does
# not, 4: cannot run here.
#
#   RMPFS=PROGRAM Tests/Scripts/references.sh        (default: .build/debug/rmpfs)
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
RMPFS=$(realpath -m "${RMPFS:-$top/.build/debug/rmpfs}")
skip() { printf 'KTAP version 1\n1..0 # SKIP %s\n' "$1"; exit 4; }
command -v python3 >/dev/null || skip "there is no python3"
[ -x "$RMPFS" ] || skip "there is no program $RMPFS: build it first (swift build), or set RMPFS"

cd "$top"
RMPFS=$RMPFS exec python3 - <<'PYTHON'
import os
import re
import subprocess
import sys
from pathlib import Path

SOURCES = "docs/sources.md"
# Where links may lead, and their forms.
FORMS = [re.compile(form) for form in (
    r"https://lore\.kernel\.org/all/[^\s<>/@]+@[A-Za-z0-9.-]+\.[a-z]+/",
    r"https://git\.kernel\.org/(tip|torvalds/c)/[0-9a-f]{40}",
    r"https://git\.kernel\.org/pub/scm/linux/kernel/git/torvalds/linux\.git/tree/[a-z0-9_/.-]+",
    r"https://docs\.amd\.com/v/u/en-US/[0-9]{5}_[A-Za-z0-9_.]+",
    r"https://www\.amd\.com/content/dam/[a-z0-9/-]+\.pdf",
    r"https://github\.com/amd/AMD-ASPFW/blob/[0-9a-f]{40}/[a-z0-9_/.]+",
    r"https://learn\.microsoft\.com/en-us/[a-z0-9/?=-]+",
    r"https://github\.com/AMDESE/AMDSEV",
    r"https://github\.com/Azure/AzurePublicDataset/blob/master/[A-Za-z0-9]+\.md",
    r"https://github\.com/huaweicloud/trace_generation_rnn",
    r"https://ui\.perfetto\.dev",
    r"https://docs\.google\.com/document/d/[A-Za-z0-9_-]{44}/",
    r"https://www\.contributor-covenant\.org/\S*",
    r"https://keepachangelog\.com/\S*",
    r"https://semver\.org/\S*",
)]
PEOPLE = {
    "Ashish Kalra": "kalra", "Dave Hansen": "hansen", "K Prateek Nayak": "nayak", "Tycho Andersen": "andersen",
    "Ackerley Tng": "tng", "Brijesh Singh": "singh", "Sean Christopherson": "christopherson", "Joanne Koong": "koong",
}
DATE = r"20\d\d-[01]\d-[0-3]\d"


def pages():
    """All Markdown of the repository but for what stands in build folders."""
    for path in sorted(Path(".").rglob("*.md")):
        if not any(part.startswith(".") for part in path.parts):
            yield path


def without_code(text):
    """The text with its fenced blocks emptied: line numbers stay."""
    return re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """What #NAME can lead to: headings as GitHub names them, and marks."""
    names, seen = set(re.findall(r'<a id="([^"]+)"></a>', text)), {}
    for title in re.findall(r"^#+ (.+)$", without_code(text), flags=re.MULTILINE):
        title = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title)
        name = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        names.add(name if name not in seen else f"{name}-{seen[name]}")
        seen[name] = seen.get(name, 0) + 1
    return names


def links(text):
    """(number of the line, target) of each link."""
    for number, line in enumerate(without_code(text).splitlines(), 1):
        line = re.sub(r"`[^`]*`", "", line)
        for target in re.findall(r"\]\(([^()\s]+(?:\([^()]*\))?[^()\s]*)\)", line):
            yield number, target


def named(text):
    """What a text refers to, as anchors of the entries."""
    patch = r"[0-9]/[0-9]"
    dated = rf"(?: \({DATE}\))?"
    for version, numbers in re.findall(
            rf"\bv(\d+){dated},? (?:patch(?:es)? )?({patch}(?:(?:,? and |, ){patch})*)", text):
        for number, count in re.findall(r"([0-9])/([0-9])", numbers):
            yield f"v{version}-{'cover' if number == '0' else number}", f"v{version} {number}/{count}"
    for version in re.findall(r"\bbase of v(\d+)", text):
        yield f"v{version}-base", f"base of v{version}"
    for digits in re.findall(r"(?:\bcommits? |`)([0-9a-f]{12})\b", text):
        yield f"commit-{digits}", f"commit {digits}"
    for path in re.findall(r"\b((?:arch|drivers|fs|kernel|lib)/[a-z0-9_/-]+\.c)\b", text):
        yield re.sub(r"[/.]", "-", path), path
    for file in re.findall(r"\b(sev_(?:mcmd|rmp)\.[ch])\b", text):
        yield re.sub(r"[_.]", "-", file), file
    for number in re.findall(r"\bpublication (\d{5})\b", text):
        yield f"amd-{number}", f"publication {number}"
    for volume in re.findall(r"(?:APM|AMD's manual),? vol(?:ume)?\.? ([23])", text):
        yield {"2": "amd-24593", "3": "amd-24594"}[volume], f"the manual, volume {volume}"
    for person, dates in re.findall(rf"({'|'.join(PEOPLE)})[^.;|\n]{{0,30}}?,? ({DATE}(?: and {DATE})*)", text):
        for date in re.findall(DATE, dates):
            yield f"{PEOPLE[person]}-{date}", f"{person}, {date}"


def comments(text):
    """The comments of a Swift file, with their lines put together."""
    return re.sub(r"\n *//+ ?", " ", "\n".join(line for line in text.splitlines() if line.lstrip().startswith("//")))


number = failures = 0


def report(name, wrong):
    global number, failures
    number += 1
    failures += bool(wrong)
    for line in sorted(set(wrong))[:40]:
        print(f"# {line}")
    print(f"{'not ok' if wrong else 'ok'} {number} {name}")


texts = {str(path): path.read_text(encoding="utf-8") for path in pages()}
known = {path: anchors(text) for path, text in texts.items()}
entries = set(re.findall(r'<a id="([^"]+)"></a>', texts[SOURCES]))
print("KTAP version 1\n1..8")

wrong, used = [], set()
for path, text in texts.items():
    for line, target in links(text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if not os.path.exists(there):
            wrong.append(f"{path}:{line}: there is no {there}")
        elif anchor and there in known and anchor not in known[there]:
            wrong.append(f"{path}:{line}: {there} has no #{anchor}")
        elif anchor and there == SOURCES and path != SOURCES:
            used.add(anchor)
report("local links and their anchors resolve", wrong)

report("links to elsewhere have a form that is known", [
    f"{path}:{line}: {target}" for path, text in texts.items() for line, target in links(text)
    if re.match(r"[a-z]+:", target) and not any(form.fullmatch(target) for form in FORMS)])

wrong = []
for name, target in re.findall(r"\[([^]\s]+)\]\((https://(?:lore|git)\.kernel\.org/[^)]+)\)", texts[SOURCES]):
    if name != "git.kernel.org" and not target.rstrip("/").endswith("/" + name):
        wrong.append(f"{name} is not what {target} leads to")
report("a link names the Message-ID or commit that it leads to", wrong)

report("each entry has a link, or says that none was found", [
    line[:100] for line in texts[SOURCES].splitlines()
    if '<a id="' in line and "](" not in line and "no public link found" not in line])

program = subprocess.run([os.environ["RMPFS"], "series", "--sources"], capture_output=True, text=True, check=True)
figures = subprocess.run([os.environ["RMPFS"], "figures"], capture_output=True, text=True, check=True)
places = [line.strip() for line in program.stdout.splitlines() if re.match(r" +\[[a-z]+\] ", line)]
inputs = [(path, without_code(text)) for path, text in texts.items()
          if path != SOURCES and not path.startswith(("Benchmarks/", "Tests/"))]
inputs += [("rmpfs series --sources", "\n".join(places))]
inputs += [("rmpfs figures", "".join(f"Ashish Kalra, {date}\n" for date in re.findall(rf"^\| ({DATE})", figures.stdout,
                                                                                    flags=re.MULTILINE)))]
for path in sorted(Path("Sources").rglob("*.swift")):
    text = path.read_text(encoding="utf-8")
    inputs.append((str(path), comments(text)))

wrong = [] if len(places) > 100 else ["rmpfs series --sources names hardly any source"]
for path, text in inputs:
    for anchor, name in named(text):
        used.add(anchor)
        if anchor not in entries:
            wrong.append(f"{path}: {name}: {SOURCES} has no #{anchor}")
        elif re.match(r"v\d+ \d/\d$", name) and f'<a id="{anchor}"></a>{name.split()[1]} |' not in texts[SOURCES]:
            wrong.append(f"{path}: {name}: the series has another number of patches")
report("each source that is named has an entry", wrong)

# The patches of a version belong together; comments, too, name files of Linux.
used |= {entry for entry in entries if re.match(r"v\d+-\d$", entry) and entry.split("-")[0] + "-cover" in used}
report("each entry is used", [f"#{entry}" for entry in entries - used])

report("a day before the product's first is that of an entry", [
    f"{path}: {date}" for path, text in inputs if path.endswith(".md")
    for date in re.findall(rf"\b{DATE}\b", text) if date < "2026-10-01" and date not in texts[SOURCES]])

wrong = [path for path, text in texts.items()
         if re.match(r"docs/scenarios/W", path) and "../sources.md#" not in text.split("\n\n")[1]]
table = texts["docs/fidelity.md"].split("## Faithful")[1].split("\n## ")[0]
wrong += [f"docs/fidelity.md: {row[:80]}" for row in table.splitlines()
          if row.startswith("| ") and not row.startswith("| What") and "sources.md#" not in row]
report("scenarios and what is faithful link to their sources", wrong)
sys.exit(failures > 0)
PYTHON

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the attacks one after another, each from the same seed: attack.py --seconds N --seed S [--only NAME]. KTAP.

Called by scripts/attack in namespaces of its own."""

import argparse
import os
import random
import sys
import tempfile
import traceback

import arguments
import kills
import race
import writes
from hosts import Fault, clear

# Each with its share of the total time.
ATTACKS = [
    ("writes", "any values into all attributes: documented errors, files that agree", writes.attack, 0.6),
    ("arguments", "any command line: an exit status and a message", arguments.attack, 0.15),
    ("run", "kill -9 of the parts of rmpfs run at chosen stacks: all ends", kills.attack_run, 0.1),
    ("mount", "kill -9 of rmpfs mount at chosen stacks: the next mount works", kills.attack_mount, 0.075),
    ("race", "names exchanged on the way to a mount point: nothing elsewhere", race.attack, 0.075),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--only", choices=[attack[0] for attack in ATTACKS])
    options = parser.parse_args()
    chosen = [attack for attack in ATTACKS if options.only in (None, attack[0])]
    total = sum(attack[3] for attack in chosen)
    print(f"KTAP version 1\n1..{len(chosen)}\n# seed {options.seed}", flush=True)
    failed = 0
    for number, (name, words, attack, share) in enumerate(chosen, 1):
        folder = tempfile.mkdtemp(prefix="rmpfs-attack.")
        os.chmod(folder, 0o755)

        def note(text):
            print("#", text, flush=True)

        try:
            attack(folder, random.Random(f"{options.seed} {name}"), options.seconds * share / total, note)
            verdict = "ok"
        except Exception as fault:  # also one that the attack did not think of, as an error of a call
            verdict = "not ok"
            failed += 1
            for line in (str(fault) if isinstance(fault, Fault) else traceback.format_exc()).splitlines():
                note(line[:300])
            note(f"again: scripts/attack --only {name} --seed {options.seed}")
        finally:
            clear(folder)
        print(verdict, number, f"{name}: {words}", flush=True)
    return failed > 0


sys.exit(main())

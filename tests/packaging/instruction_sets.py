#!/usr/bin/env python3
"""Runs a program with targets for several instruction sets (examples/07_instruction_sets): each target by name, the
choice on this processor and, where qemu-x86_64 is installed, on one from 2008; and reads what the targets' objects show
to the linker.

usage: instruction_sets.py PROGRAM NM OBJECT...
"""
import os
import re
import shutil
import subprocess
import sys

TARGETS = ["baseline", "x86_64_v3", "x86_64_v4"]
# Six digits are printed, and sums have their terms in another order.
TOLERANCE = 1e-5


def run(*command, target=None):
    environment = {name: value for name, value in os.environ.items() if name != "STRATA_TARGET"}
    if target:
        environment["STRATA_TARGET"] = target
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    name = re.match(r"(\w+): \d+ images/s\n", done.stdout)
    scores = [float(number) for number in re.findall(r"-?\d+\.\d{6}", done.stdout)]
    return done.returncode, name and name.group(1), scores, done.stdout + done.stderr


def check(program, nm, objects):
    errors = []
    status, chosen, scores, text = run(program)
    if status or len(scores) != 10:
        return [f"{program} returns {status}: {text}"]
    runnable = []
    for target in TARGETS:
        # By environment and by argument, in both spellings.
        for command, variable in (((program,), target), ((program, target.replace("_", "-")), "nothing")):
            status, name, found, text = run(*command, target=variable)
            if status == 0 and name == target:
                runnable.append(target)
                if any(abs(a - b) > TOLERANCE for a, b in zip(scores, found)):
                    errors.append(f"{target} computes {found}, {chosen} {scores}")
            elif status != 1 or f"this processor cannot run {target}, it does not have avx" not in text:
                errors.append(f"{' '.join(command)} with STRATA_TARGET={variable} returns {status}: {text}")
    if not runnable or chosen != runnable[-1]:
        errors.append(f"{chosen} is chosen of {runnable}")
    if "no target foo, it has baseline, x86_64_v3, x86_64_v4" not in run(program, target="foo")[3]:
        errors.append(f"STRATA_TARGET=foo: {run(program, target='foo')[3]}")

    for file in objects:
        symbols = subprocess.run([nm, "--defined-only", "--extern-only", file], stdout=subprocess.PIPE, text=True, check=True)
        names = [line.split()[-1] for line in symbols.stdout.splitlines()]
        if len(names) != 1 or "_strata_target_x86_64_v" not in names[0]:
            errors.append(f"{file} shows {len(names)} names: {names[:3]}")

    qemu = shutil.which("qemu-x86_64")
    if not qemu:
        print("SKIPPED: an old processor for the instruction sets, qemu-x86_64 is not installed (Debian: qemu-user)")
        return errors
    old = (qemu, "-cpu", "Nehalem", program)
    status, name, found, text = run(*old)
    if status or name != "baseline" or any(abs(a - b) > TOLERANCE for a, b in zip(scores, found)):
        errors.append(f"on a Nehalem {program} returns {status}: {text}")
    status, name, found, text = run(*old, "x86-64-v3")
    if status != 1 or "this processor cannot run x86_64_v3, it does not have" not in text:
        errors.append(f"on a Nehalem x86-64-v3 returns {status}: {text}")
    return errors


if len(sys.argv) < 4:
    sys.exit(__doc__)
found_errors = check(sys.argv[1], sys.argv[2], sys.argv[3:])
print("\n".join(found_errors))
sys.exit(1 if found_errors else 0)

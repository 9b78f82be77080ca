"""Runs the programs of a comparison in turn, prints a line a work and writes JSON. Called by compare.sh.

usage: compare.py JSON COMPILER FILTER THREADS SECONDS STRATA PEER=COMMAND...

STRATA is the program networks, a COMMAND the same for another framework; the rest is compare.sh's.
"""
import json
import math
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys

ROUNDS = 3

# Ratios to LibTorch that are to be reached, by the beginning of a work's name; the first that fits counts.
GOALS = [
    (r"lenet train batch=(64|256) threads=1", 3.5),
    (r"lenet train batch=(64|256)", 4.0),
    (r"lenet train batch=4 threads=1", 3.0),
    (r"lenet_bfloat16 train batch=(64|256)", 4.5),
    (r"lenet infer batch=1 threads=1", 5.0),
    (r"lenet infer batch=256", 4.0),
    (r"vgg6 train batch=64", 2.5),
    (r"vgg6 infer batch=64", 2.0),
    (r"resnet20 (train|infer) batch=128", 2.5),
    (r"separable (train|infer) batch=64", 2.0),
    (r"mlp (train|infer) batch=(64|256)", 1.3),
]
SCALING_GOAL = 1.9  # Strata's images/s with 2 threads over those with 1, of works that have a goal


def goal_of(work, peer):
    if peer != "libtorch":
        return None
    return next((goal for pattern, goal in GOALS if re.match(pattern + r"\b", work)), None)


def lines_of(command, *arguments):
    return subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def check_values(command):
    """Values by name, from lines "network quantity value"."""
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines_of(command, "losses"))}


def difference(ours, theirs):
    """The largest difference of check values; exits where they do not agree."""
    # fp32 sums in another order differ by about 1e-6; 1e-4 is a different network.
    for name, value in theirs.items():
        if name not in ours or not math.isclose(ours[name], value, rel_tol=1e-4, abs_tol=1e-4):
            sys.exit(f"Strata does not compute the same as its peer: {name} is {ours.get(name)} here, {value} there.")
    if not theirs:
        sys.exit("A peer has no check values.")
    return max(abs(ours[name] - value) for name, value in theirs.items())


def measure(command, work, threads, seconds):
    """Images/s and peak MiB of one work in a process of its own: no work's name is part of another's. None where the
    framework does not do this work."""
    lines = lines_of(command, work, threads, seconds)
    if not lines:
        return None
    (line,) = lines
    values = dict(field.split("=") for field in line.split()[2:])
    return float(values["images_per_s"]), float(values["peak_MiB"])


def side(runs):
    rates, memory = zip(*runs)
    return {"images_per_s": list(rates), "median": statistics.median(rates), "peak_MiB": max(memory)}


def machine():
    model = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.processor()
    )
    return {"cpu": model, "processors": os.cpu_count(), "system": platform.platform()}


def main():
    path, compiler, name_part, threads, seconds, program, *others = sys.argv[1:]
    strata = [program]
    commands = {name: shlex.split(command) for name, command in (other.split("=", 1) for other in others)}

    ours = check_values(strata)
    peers_of = {}  # by network
    for peer, command in commands.items():
        theirs = check_values(command)
        print(f"{len(theirs)} check values agree with {peer}; largest difference {difference(ours, theirs):.1e}", file=sys.stderr)
        for network in {name.split()[0] for name in theirs}:
            peers_of.setdefault(network, []).append(peer)

    works = lines_of(strata, name_part, threads, "0")
    if not works:
        sys.exit("No work has this filter in its name.")
    results = []
    print(f"{'work':<40} {'peer':<12} {'strata':>10} {'peer':>10} {'ratio':>6} {'goal':>5} {'MiB':>6} {'peer':>6}")
    for work in works:
        network, mode, batch, work_threads = (field.split("=")[-1] for field in work.split())
        counterpart = network.removesuffix("_bfloat16")  # peers compute in float
        sides = {"strata": strata, **{peer: commands[peer] for peer in peers_of.get(counterpart, [])}}
        runs = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, command in sides.items():
                theirs = work.replace(network, counterpart, 1).replace(" invariant ", " infer ")
                label = work if name == "strata" else theirs
                runs[name].append(measure(command, label, work_threads, seconds))
        own = side(runs.pop("strata"))
        for peer, theirs in runs.items():
            if None in theirs:
                continue
            other, goal = side(theirs), goal_of(work, peer)
            ratio = own["median"] / other["median"]
            print(
                f"{work:<40} {peer:<12} {own['median']:>10.1f} {other['median']:>10.1f} {ratio:>6.2f} {goal or '-':>5} "
                f"{own['peak_MiB']:>6.0f} {other['peak_MiB']:>6.0f}",
                flush=True,
            )
            entry = {"work": work, "network": network, "mode": mode, "batch": int(batch), "threads": int(work_threads)}
            results.append({**entry, "peer": peer, "strata": own, "other": other, "ratio": ratio, "goal": goal})

    with_two = {(r["peer"], r["work"][:-1]): r for r in results if r["threads"] == 2}
    pairs = [(one, two) for one in results if one["threads"] == 1 and (two := with_two.get((one["peer"], one["work"][:-1])))]
    if pairs:
        print(f"\n{'2 threads over 1':<40} {'peer':<12} {'strata':>10} {'peer':>10} {'':>6} {'goal':>5}")
    for one, two in pairs:
        ours, theirs = (two[name]["median"] / one[name]["median"] for name in ("strata", "other"))
        goal = SCALING_GOAL if two["goal"] else "-"
        print(f"{one['work'].rsplit(' ', 1)[0]:<40} {one['peer']:<12} {ours:>10.2f} {theirs:>10.2f} {'':>6} {goal:>5}")

    content = {"machine": machine(), "compiler": compiler, "seconds": float(seconds), "works": results}
    pathlib.Path(path).write_text(json.dumps(content, indent=1) + "\n")
    print(f"all runs are in {path}", file=sys.stderr)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Checks that units of different instruction sets, and of different versions of Strata, live side by side in a program:
linked in both orders and as plugins in both orders, with one network or two, under AddressSanitizer. Then runs the
commands of docs/instruction_sets.md, on consumer/level.cpp.

usage: identity.py --include DIRECTORY --work DIRECTORY COMPILER...
"""
import argparse
import itertools
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).parent / "identity"
# Unoptimised, every inline function is one that the linker may share. name: instruction set, include tree, width
UNITS = {
    "unit_base": ("x86-64", "include", 8),
    "unit_native": ("native", "include", 8),
    "unit_other": ("native", "include", 5),
    "unit_next": ("native", "next", 8),
}
PAIRS = [("unit_base", "unit_native"), ("unit_base", "unit_other"), ("unit_native", "unit_next")]
# In units of several instruction sets a sum has its terms in another order: a few roundings of float.
TOLERANCE = 1e-4


def run(*command, fails=False):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if (done.returncode != 0) != fails:
        sys.exit(f"{' '.join(map(str, command))}\nreturns {done.returncode}:\n{done.stdout}")
    return done.stdout


def shared_names(first, second):
    """Names that two objects both define, as the linker sees them: it keeps one of each."""
    names = []
    for unit in (first, second):
        lines = [line.split() for line in run("nm", "--defined-only", unit).splitlines()]
        names.append({words[-1] for words in lines if words[-2] not in "tdbrn"})
    return names[0] & names[1]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--include", required=True, type=pathlib.Path)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("compiler", nargs="+")
    options = parser.parse_args()
    work, compiler = options.work, options.compiler[-1]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)

    flags = ["-std=c++20", "-O0", "-fPIC", "-pthread"]
    (work / "empty.cpp").write_text("int main() {}\n", encoding="utf-8")
    address = subprocess.run([compiler, "-fsanitize=address", work / "empty.cpp", "-o", work / "empty"],
                             stderr=subprocess.DEVNULL, check=False)
    if address.returncode == 0:
        flags += ["-fsanitize=address", "-fno-omit-frame-pointer"]
    else:
        print("SKIPPED: AddressSanitizer for units of several instruction sets, the compiler does not have it")

    shutil.copytree(options.include, work / "next")
    header = work / "next/strata/core/identity.hpp"
    text, count = re.subn(r"(#define STRATA_VERSION_MINOR) \d+", r"\1 999", header.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"{header} has no STRATA_VERSION_MINOR to change")
    header.write_text(text, encoding="utf-8")

    trees = {"include": options.include, "next": work / "next"}
    for name, (instructions, tree, width) in UNITS.items():
        run(*options.compiler, *flags, f"-march={instructions}", f"-DNAME={name}", f"-DWIDTH={width}", "-I", trees[tree],
            "-c", HERE / "unit.cpp", "-o", work / f"{name}.o")
        run(compiler, *flags, "-shared", work / f"{name}.o", "-o", work / f"{name}.so", "-lz")
    run(compiler, *flags, HERE / "plugins.cpp", "-o", work / "plugins", "-ldl")

    errors, seen = [], {}

    def note(program, output):
        for line in output.splitlines():
            name, *numbers = line.split()
            before, first = seen.setdefault(name, (numbers, program))
            if numbers != before:
                errors.append(f"{name} computes {numbers} in {program}, {before} in {first}")

    for pair in PAIRS:
        objects = [work / f"{name}.o" for name in pair]
        strata = sorted(name for name in shared_names(*objects) if "strata" in name)
        if strata:
            errors.append(f"{' and '.join(pair)} share {len(strata)} names of Strata, {strata[0]} for one")
        for order in (objects, objects[::-1]):
            for first, second in itertools.permutations(pair):
                program = work / "linked"
                run(compiler, *flags, f"-DFIRST={first}", f"-DSECOND={second}", HERE / "linked.cpp", *order, "-o", program,
                    "-lz")
                note(f"a program of {order[0].stem}, {order[1].stem} that calls {first} first", run(program))
        for order in (pair, pair[::-1]):
            plugins = [word for name in order for word in (work / f"{name}.so", name)]
            note(f"plugins {', '.join(order)}", run(work / "plugins", *plugins))

    base, native, following = ([float(word) for word in seen[name][0]] for name in ("unit_base", "unit_native", "unit_next"))
    if not all(abs(a - b) <= TOLERANCE * (1 + abs(a)) for a, b in zip(base, native)):
        errors.append(f"unit_base computes {base}, unit_native {native}")
    if native != following:
        errors.append(f"unit_native computes {native}, the next version {following}")

    # A type handed over between instruction sets is a name that does not exist.
    border = [HERE / "border.cpp", "-I", options.include]
    for instructions in ("x86-64", "native"):
        run(*options.compiler, *flags, *border, "-march=native", "-DDEFINES", "-c", "-o", work / "defines.o")
        run(*options.compiler, *flags, *border, f"-march={instructions}", "-c", "-o", work / "uses.o")
        output = run(compiler, *flags, work / "uses.o", work / "defines.o", "-o", work / "border",
                     fails=instructions == "x86-64")
        if instructions == "x86-64" and not re.search(r"message_size\(strata::v\w+::Error const&\)", output):
            errors.append(f"the linker does not name the function that is missing: {output}")
    # A macro counts however it is defined.
    (work / "name.cpp").write_text('#include "strata/core/identity.hpp"\nSTRATA_ABI\n', encoding="utf-8")
    (work / "define.hpp").write_text("#define _GLIBCXX_DEBUG\n", encoding="utf-8")
    plain, empty, one = (run(*options.compiler, "-std=c++20", *words, "-E", "-P", "-I", options.include, work / "name.cpp")
                         for words in ([], ["-include", work / "define.hpp"], ["-D_GLIBCXX_DEBUG"]))
    if plain == one or empty != one:
        errors.append(f"checked containers: {plain.strip()} without, {empty.strip()} and {one.strip()} with them")
    names = [run(*options.compiler, "-std=c++20", word, "-E", "-P", "-I", options.include, work / "name.cpp").split()[-1]
             for word in ("-D_GLIBCXX_USE_CXX11_ABI=0", "-D_GLIBCXX_USE_CXX11_ABI=1")]
    if names[0] == names[1]:
        errors.append(f"both of libstdc++'s strings are called {names[0]}")
    # The documented way to keep instruction sets apart.
    page = (HERE.parent.parent.parent / "docs/instruction_sets.md").read_text(encoding="utf-8")
    commands = re.search(r"```sh\n(.*?)```", page, re.S).group(1)
    for old, new in (("examples/07_instruction_sets", HERE.parent / "consumer"), ("classifier.cpp", "level.cpp"),
                     ("main.cpp", "targets.cpp"), ("-Iinclude", f"-I{options.include}"), ("g++ ", f"{compiler} ")):
        if old not in commands:
            sys.exit(f"the commands of docs/instruction_sets.md lack {old}")
        commands = commands.replace(old, str(new))
    if "clang" in compiler:
        commands = commands.replace("-fno-gnu-unique ", "")
    run("bash", "-e", "-c", f"cd {work}\n{commands}")
    run(work / "instruction_sets")

    print("\n".join(errors))
    if not errors:
        shutil.rmtree(work)
    sys.exit(1 if errors else 0)


main()

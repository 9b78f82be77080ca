#!/usr/bin/env python3
"""Checks that the sources are as clang-format writes them, in the version that the first line of .clang-format names: other
versions format differently. Where no such clang-format is on the PATH, pip installs it into WORK; where that does not work
either, the check is skipped and says so.

usage: format.py REPOSITORY WORK
"""
import pathlib
import re
import shutil
import subprocess
import sys
import venv

ROOMS = ("include", "tests", "examples", "benchmarks")
ENDINGS = (".hpp", ".ipp", ".cpp", ".cu", ".cuh")


def has_version(program, version):
    run = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True)
    return re.search(rf"\b{re.escape(version)}\b", run.stdout) is not None


def clang_format(version, work):
    """The path of a clang-format of that version, None where there is none to be had."""
    installed = work / f"clang-format-{version}"
    for program in (shutil.which("clang-format"), installed / "bin" / "clang-format"):
        if program and pathlib.Path(program).exists() and has_version(program, version):
            return program
    try:
        venv.create(installed, with_pip=True, clear=True)
        subprocess.run([installed / "bin" / "pip", "install", "-q", f"clang-format=={version}"], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except (subprocess.CalledProcessError, OSError):
        return None
    return installed / "bin" / "clang-format"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    root, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    version = re.match(r"# clang-format (\S+)", (root / ".clang-format").read_text(encoding="utf-8")).group(1)
    program = clang_format(version, work)
    if not program:
        print(f"SKIPPED: format: there is no clang-format {version} and pip cannot install it")
        return
    files = sorted(str(path) for room in ROOMS for path in (root / room).rglob("*") if path.suffix in ENDINGS)
    run = subprocess.run([program, "--dry-run", "-Werror", *files], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True, cwd=root)
    if run.returncode != 0:
        bad = sorted(set(re.findall(r"^(.+?):\d+:\d+: error:", run.stdout, re.M)))
        names = " ".join(str(pathlib.Path(name).relative_to(root)) for name in bad)
        sys.exit(f"not as clang-format {version} writes them (clang-format -i): {names}" if bad else run.stdout)


if __name__ == "__main__":
    main()

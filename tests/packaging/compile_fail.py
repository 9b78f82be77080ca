#!/usr/bin/env python3
"""Compiles programs that must not compile, and reads the message as a user would: its first ten lines.

A case is a file that opens with lines `// expect: TEXT`. The compiler must refuse it with at most three errors, and every
TEXT must stand in the first ten lines of what the compiler prints (blanks, `strata::` with
the namespace of version and instruction set, and literal suffixes such as 16L do not count: the
compilers spell types differently). strata/strata.hpp is parsed once for all cases that include it first, where the
compiler can: nvcc cannot.

usage: compile_fail.py --include DIRECTORY [--include DIRECTORY ...] COMPILER (CASE_DIRECTORY | --self-test)
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

LINES = 10
HEADER = "strata/strata.hpp"
FIRST = re.compile(r"(//[^\n]*\n|\s)*#include <strata/strata.hpp>")  # nothing but comments before it
ERRORS = 3


def plain(text):
    text = re.sub(r"\bstrata::(v\d\w*::)?", "", re.sub(r"\s+", "", text))
    return re.sub(r"(?<=\d)(?:ul|UL|[lLuU])\b", "", text).replace("’", "'").replace("‘", "'")


def command(compiler, includes):
    cuda = "nvcc" in os.path.basename(compiler)
    line = [compiler, "-std=c++20", *(f"-I{include}" for include in includes)]
    if cuda:
        return line + ["-x", "cu", "--expt-relaxed-constexpr", "--extended-lambda", "-c", "-o", os.devnull]
    return line + ["-fsyntax-only", "-fno-diagnostics-color"]


def precompiled(line, work):
    """The options with which strata/strata.hpp, included first, is the one that is parsed here and now."""
    version = subprocess.run([line[0], "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    if "nvcc" in os.path.basename(line[0]):
        return []
    source = work / "source.hpp"
    source.write_text("#include <strata/strata.hpp>\n", encoding="utf-8")
    options = [option for option in line[1:] if option != "-fsyntax-only"]
    if "clang" in version:
        target = work / "strata.pch"
        result = ["-include-pch", str(target)]
    else:  # g++ looks for x.hpp.gch wherever it looks for x.hpp
        source = next(path for path in (pathlib.Path(option[2:]) / HEADER for option in options if option[:2] == "-I")
                      if path.is_file())
        target = work / (HEADER + ".gch")
        target.parent.mkdir()
        result = [f"-I{work}"]
    run = subprocess.run([line[0], *options, "-x", "c++-header", str(source), "-o", str(target)],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        sys.exit(run.stdout)
    return result


def check(case, line, precompiled_options=()):
    """Returns the sentences to print about one case; none when all is well."""
    if precompiled_options and FIRST.match(case.read_text(encoding="utf-8")):
        line = line[:1] + list(precompiled_options) + line[1:]
    expected = []
    for text in case.read_text(encoding="utf-8").splitlines():
        match = re.match(r"// expect: (.*\S)", text)
        if not match:
            break
        expected.append(match.group(1))
    if not expected:
        return [f"{case}: the first line must read // expect: TEXT"]
    run = subprocess.run(line + [str(case)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         env={**os.environ, "LC_ALL": "C"})
    if run.returncode == 0:
        return [f"{case}: {line[0]} compiles it"]
    head = "\n".join(run.stdout.splitlines()[:LINES])
    missing = [text for text in expected if plain(text) not in plain(head)]
    errors = len(re.findall(r"\berror:|\): error\b|^error:", run.stdout, re.M))
    if not missing and errors > ERRORS:
        return [f"{case}: {line[0]} prints {errors} errors, expected at most {ERRORS}", run.stdout[:4000]]
    if not missing:
        return []
    return [f"{case}: the first {LINES} lines of {line[0]} lack: " + "; ".join(missing), head]


def self_test(line):
    """The harness must accept a good case and refuse each kind of bad one."""
    include = '#include <strata/core/tensor.hpp>\n'
    # nvcc and the others alike: a fixed sentence, and a type that only the instantiation knows.
    broken = ("template <class> struct got;\ntemplate <int...> struct Shape;\n"
              "template <class T> struct Flat { static_assert(sizeof(T) == 0, \"put Flatten before it\"); };\n"
              "Flat<got<Shape<16, 5, 5>>> flat;\n")
    cases = [
        ("// expect: put Flatten before it\n// expect: got<Shape<16,5,5>>\n" + broken, None),
        ("// expect: put Flatten after it\n" + broken, "lack: put Flatten after it"),
        ("// expect: put Flatten before it\n" + include, "compiles it"),
        (broken, "must read // expect"),
        ("// expect: put Flatten before it\n" + broken + "int a = b0;\nint b = b1;\nint c = b2;\n", "expected at most 3"),
        ("// expect: late\n" + "".join(f"#warning line {i}\n" for i in range(12)) + "#error late\n", "lack: late"),
    ]
    wrong = []
    with tempfile.TemporaryDirectory() as directory:
        for text, words in cases:
            case = pathlib.Path(directory) / "case.cpp"
            case.write_text(text, encoding="utf-8")
            found = check(case, line)
            if (found and words is None) or (words and (not found or words not in found[0])):
                wrong.append(f"{text!r} must give {words!r}, but gives {found}")
    return wrong


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--include", required=True, action="append")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("compiler")
    parser.add_argument("cases", nargs="?", type=pathlib.Path)
    options = parser.parse_args()
    line = command(options.compiler, options.include)
    if options.self_test:
        found = self_test(line)
    else:
        cases = sorted(options.cases.rglob("*.cpp"))
        found = [] if cases else [f"{options.cases}: there are no cases"]
        if "nvcc" in line[0]:  # its warnings about Eigen would come first
            cases = [case for case in cases if "<strata/eigen.hpp>" not in case.read_text(encoding="utf-8")]
        with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            options_for_header = precompiled(line, pathlib.Path(work))
            for sentences in threads.map(lambda case: check(case, line, options_for_header), cases):
                found += sentences
    print("\n".join(found))
    sys.exit(1 if found else 0)


main()

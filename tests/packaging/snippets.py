#!/usr/bin/env python3
"""Checks that the C++ in README.md and docs/*.md is code that is compiled: every block fenced with ```cpp follows a line
`<!-- from examples/NAME.cpp -->` and stands in that file, apart from the indentation of the block as a whole. And that
links to files and headings lead somewhere.

usage: snippets.py REPOSITORY | --self-test
"""
import pathlib
import re
import sys
import tempfile
import textwrap


def outdent(lines):
    return textwrap.dedent("\n".join(line.rstrip() for line in lines)).strip("\n").split("\n")


def contains(program, block):
    block = outdent(block)
    program = [line.rstrip() for line in program]
    size = len(block)
    return any(outdent(program[i : i + size]) == block for i in range(len(program) - size + 1)
               if program[i].strip() == block[0].strip())


def anchors(page):
    """What GitHub calls the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)}


def dead_links(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    errors = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists():
            errors.append(f"{page}: {link} does not exist")
        elif anchor and anchor not in anchors(target):
            errors.append(f"{page}: {link} leads to no heading")
    return errors


def check(root):
    errors = []
    for page in [root / "README.md"] + sorted((root / "docs").rglob("*.md")):
        if not page.is_file():
            continue
        errors += dead_links(page)
        lines = page.read_text(encoding="utf-8").splitlines()
        source, number = None, 0
        while number < len(lines):
            line = lines[number]
            number += 1
            mark = re.match(r"\s*<!-- from (\S+) -->\s*$", line)
            if mark:
                source = mark.group(1)
                continue
            fence = re.match(r"\s*(```+|~~~+)\s*(\S*)", line)
            if not fence:
                if line.strip():
                    source = None
                continue
            start, block = number, []
            while number < len(lines) and not lines[number].strip().startswith(fence.group(1)):
                block.append(lines[number])
                number += 1
            number += 1
            if fence.group(2).lower() in ("cpp", "c++", "cxx", "cuda"):
                place = f"{page}:{start}"
                if source is None:
                    errors.append(f"{place}: C++ without a line <!-- from examples/NAME.cpp --> above it")
                elif not (root / source).is_file():
                    errors.append(f"{place}: {source} does not exist")
                elif not contains((root / source).read_text(encoding="utf-8").splitlines(), block):
                    errors.append(f"{place}: this block does not stand in {source}")
            source = None
    return errors


def self_test():
    program = "// A program.\nint main() {\n    int a = 1;\n    if (a)\n        return 2;\n}\n"
    mark = "<!-- from examples/a.cpp -->\n"
    cases = [
        (mark + "```cpp\nint a = 1;\nif (a)\n    return 2;\n```\n", None),
        ("- item\n\n  " + mark + "\n  ```cpp\n  int main() {\n      int a = 1;\n  ```\n", None),
        ("```sh\nint a = 3;\n```\n", None),
        ("```cpp\nint a = 1;\n```\n", "without a line"),
        (mark + "words\n```cpp\nint a = 1;\n```\n", "without a line"),
        (mark + "```cpp\nint a = 1;\n```\n```cpp\nint a = 1;\n```\n", "without a line"),
        (mark + "```cpp\nint a = 2;\n```\n", "does not stand in"),
        (mark + "```cpp\nint a = 1;\nif (a)\nreturn 2;\n```\n", "does not stand in"),
        ("<!-- from examples/b.cpp -->\n```cpp\nint a = 1;\n```\n", "does not exist"),
        ("## A place, and more\n[here](#a-place-and-more), [there](https://example.org/nowhere.md)\n", None),
        ("```\n# no heading\na[i](x)\n```\n[here](#no-heading)\n", "leads to no heading"),
        ("[page](nowhere.md)\n", "does not exist"),
    ]
    wrong = []
    for text, words in cases:
        for name in ("README.md", "docs/page.md"):
            with tempfile.TemporaryDirectory() as directory:
                root = pathlib.Path(directory)
                for file, content in (("examples/a.cpp", program), (name, text)):
                    (root / file).parent.mkdir(parents=True, exist_ok=True)
                    (root / file).write_text(content, encoding="utf-8")
                errors = check(root)
                if (errors and words is None) or (words and (len(errors) != 1 or words not in errors[0])):
                    wrong.append(f"{text!r} in {name} must give {words!r}, but gives {errors}")
    return wrong


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    errors = self_test() if sys.argv[1] == "--self-test" else check(pathlib.Path(sys.argv[1]))
    for error in errors:
        print(error)
    sys.exit(1 if errors else 0)


main()

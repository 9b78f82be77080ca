#!/usr/bin/env python3
"""Checks the laws of the house that can be read off the headers: who includes whom, and what may stand where.

usage: layering.py INCLUDE_DIRECTORY | --self-test
"""
import pathlib
import re
import sys
import tempfile

# A header includes headers of its own room and of rooms further down; rooms of one line do not know each other.
LEVELS = [
    ["core"],
    ["layer", "loss", "optimizer", "schedule", "precision"],
    ["network"],
    ["program"],
    ["backend"],
    ["data", "io"],
    ["train"],
    ["distributed", "serve", "eigen"],
    ["umbrella"],
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# The same law inside of the CPU backend. Some headers have a level of their own: the policy, which kernels and steps do
# not know, the contract of a kernel with the generic ones and what they gather, all kernels, and the lists of which of them runs.
CPU_LEVELS = [
    ["threads"],
    ["kernel/micro"],
    ["kernel/generic.hpp"],
    ["kernel/generic_gather.hpp"],
    ["kernel/linear", "kernel/convolution", "kernel/winograd", "kernel/pooling", "kernel/norm",
     "kernel/image", "kernel/mixed", "kernel/sequence"],
    ["kernel/kernels.hpp"],
    ["kernel/compiled.hpp"],
    ["kernel/choice.hpp"],
    ["step"],
    ["cpu.hpp"],
    ["run"],
]
CPU_LEVEL = {room: level for level, rooms in enumerate(CPU_LEVELS) for room in rooms}
# Families of kernels do not know each other, but for these: Winograd's kernels leave to the direct ones the tiles where
# they are not faster; those of mixed precision are the others between
# conversions.
FAMILY_KNOWS = {
    "kernel/winograd": ["kernel/convolution"],
    "kernel/mixed": ["kernel/linear", "kernel/convolution", "kernel/winograd", "kernel/pooling"],
}
CPU_HEADERS = 12  # of a room, at most
FILES = "files.ipp"  # the library strata::files: all .ipp files
README = "README.md"
README_LINES = (4, 20)
# Libraries that enter through one header, or through the headers of one room.
ONE_DOOR = {"zlib.h": "data/gzip.hpp", "Eigen/": "eigen/", "omp.h": "backend/cpu/threads/openmp_team.hpp",
            "mpi.h": "distributed/mpi.hpp", "zmq": "distributed/server/transport.hpp"}
# Rooms and headers that users enter through a header of their own only.
BEHIND_DOORS = {"backend/cuda": "cuda.hpp", "eigen": "eigen.hpp", "backend/cpu/threads/openmp_team.hpp": "openmp.hpp"}
# Where macros are defined for others; and the header with the one type that is the same in all units of a program.
MACROS = ("core/config.hpp", "core/identity.hpp", "core/dispatch.hpp", "files.ipp")
SHARED = "core/dispatch.hpp"
BAD_NAMES = ("utils", "util", "common", "helper", "helpers", "manager", "impl")
LINES = 400
# Where the names of the standard library stand that headers use. A header includes what it uses, itself or by a header of
# Strata's: the check that each header compiles alone has the standard library in front, to be quick.
STANDARD = {
    "algorithm": "any_of clamp copy copy_n count count_if equal fill fill_n find find_if lower_bound max max_element min "
                 "min_element none_of sort stable_sort transform unique upper_bound",
    "array": "array",
    "atomic": "atomic memory_order_acq_rel memory_order_acquire memory_order_relaxed memory_order_release",
    "bit": "bit_cast bit_ceil bit_width countl_zero countr_zero endian has_single_bit popcount",
    "charconv": "from_chars from_chars_result to_chars",
    "chrono": "chrono",
    "cmath": "copysign cos erf exp expm1 fabs floor fma fmax fmin ilogb isfinite isinf ldexp log log1p lround pow sin sqrt "
             "tanh",
    "concepts": "constructible_from convertible_to copyable floating_point integral movable same_as signed_integral "
                "unsigned_integral",
    "condition_variable": "condition_variable",
    "csignal": "signal",
    "cstdarg": "va_list",
    "cstddef": "byte nullptr_t ptrdiff_t",
    "cstdint": "int16_t int32_t int64_t int8_t uint16_t uint32_t uint64_t uint8_t uintptr_t",
    "cstdio": "FILE fclose ferror fflush fopen fprintf fread fwrite puts rewind snprintf vsnprintf",
    "cstdlib": "_Exit atoi getenv qsort",
    "cstring": "memcmp memcpy memmove memset strcmp strerror",
    "deque": "deque",
    "exception": "current_exception exception_ptr rethrow_exception uncaught_exceptions",
    "functional": "function greater",
    "initializer_list": "initializer_list",
    "limits": "numeric_limits",
    "map": "map",
    "memory": "make_shared make_unique shared_ptr unique_ptr",
    "mutex": "lock_guard mutex unique_lock",
    "new": "align_val_t bad_alloc bad_array_new_length",
    "numeric": "gcd",
    "optional": "optional",
    "queue": "priority_queue",
    "random": "random_device",
    "span": "as_bytes as_writable_bytes span",
    "stdexcept": "runtime_error",
    "string": "string to_string",
    "string_view": "string_view string_view_literals",
    "system_error": "errc",
    "thread": "thread",
    "tuple": "apply tuple",
    "type_traits": "conditional_t decay_t integral_constant is_arithmetic_v is_array_v is_base_of_v is_const_v "
                   "is_constant_evaluated is_constructible_v is_convertible_v is_empty_v is_floating_point_v "
                   "is_integral_v is_invocable_r_v is_lvalue_reference_v is_pointer_v is_same_v is_trivially_copyable_v "
                   "is_unsigned_v is_void_v make_signed_t remove_const_t remove_cvref_t remove_pointer_t "
                   "remove_reference_t type_identity type_identity_t",
    "utility": "declval exchange forward integer_sequence make_integer_sequence pair",
    "variant": "holds_alternative variant visit",
    "vector": "vector",
}
# The same of POSIX, where they are called `::name(`.
POSIX = {
    "dirent.h": "opendir readdir",
    "fcntl.h": "open",
    "cstdio": "rename",
    "sys/file.h": "flock",
    "sys/socket.h": "connect socket",
    "sys/stat.h": "fchmod fstat lstat mkdir stat",
    "unistd.h": "access close fdatasync fsync ftruncate geteuid getpid lseek read readlink unlink write",
}
STANDARD_HEADER = {name: header for header, names in STANDARD.items() for name in names.split()}
STANDARD_HEADER.update({"::" + name: header for header, names in POSIX.items() for name in names.split()})
# Many headers have them, the language's own type among them.
ANYWHERE = ("abs", "as_const", "begin", "data", "erase_if", "exception", "get", "move", "ranges", "size", "size_t", "ssize",
            "swap", "tuple_element", "tuple_element_t", "tuple_size")
# What other headers define as macros in users' programs: <complex.h> I, image code W and H, <windows.h> min and max.
MACRO_NAMES = re.compile(r"\b[IWH]\b")
MACRO_CALLS = re.compile(r"\b(min|max)\s*\(")


def room_of(path):
    """The room of a header given relative to include/strata; backends are rooms of their own beside shared backend/."""
    parts = path.parts
    if len(parts) == 1:
        return "umbrella"
    return "/".join(parts[:2]) if parts[0] == "backend" and len(parts) > 2 else parts[0]


def cpu_room(path):
    """The room of a header of the CPU backend, or the header's name where it has a level of its own; else None."""
    if path.parts[:2] != ("backend", "cpu"):
        return None
    inner = pathlib.PurePosixPath(*path.parts[2:])
    return inner.as_posix() if inner.as_posix() in CPU_LEVEL else inner.parent.as_posix()


def cpu_may_include(source, target):
    """Whether a room of the CPU backend may include another."""
    if source == target or target in FAMILY_KNOWS.get(source, ()):
        return True
    return CPU_LEVEL[target] < CPU_LEVEL[source]


def may_include(source, target):
    """Whether a header may include another; both relative to include/strata."""
    a, b = room_of(source), room_of(target)
    if b == "umbrella":
        return a == "umbrella"
    door = BEHIND_DOORS.get(target.as_posix(), BEHIND_DOORS.get(b))
    if door and (a != b or target.as_posix() in BEHIND_DOORS):
        return source.name == door
    if a == "umbrella":
        return True
    if a == b or a == "testing":
        return True
    if b == "testing":
        return False
    if a.startswith("backend") and b.startswith("backend"):
        return b == "backend"
    return LEVEL[b.split("/")[0]] < LEVEL[a.split("/")[0]]


def without_comments_and_strings(text):
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group(0)), text, flags=re.S)


def standard_headers(header, found):
    """The standard library's headers that a header includes, itself or by others of Strata's, but not by an .ipp file, which
    is not there where strata::files is linked; found: by header, so far."""
    if header not in found:
        found[header] = set()
        for bracket, name in re.findall(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', header.read_text(encoding="utf-8"), re.M):
            target = (header.parent / name).resolve()
            if bracket == "<":
                found[header].add(name)
            elif target.is_file() and target.suffix != ".ipp":
                found[header] |= standard_headers(target, found)
    return found[header]


def check(include):
    """Returns (errors, warnings) about the headers below include/strata."""
    root = include / "strata"
    errors, warnings = [], []
    standard = {}
    compiled = (root / FILES).read_text(encoding="utf-8") if (root / FILES).is_file() else ""
    headers = sorted(p for p in root.rglob("*") if p.suffix in (".hpp", ".ipp", ".cuh", ".h"))
    if not headers:
        errors.append(f"{root}: there are no headers")
    for header in headers:
        path = header.relative_to(root)
        text = header.read_text(encoding="utf-8")
        room = room_of(path)

        def report(line, sentence):
            errors.append(f"{header}:{line}: {sentence}")

        if room.split("/")[0] not in LEVEL and room != "testing":
            report(1, f"{room}/ is no room of the house: name it in LEVELS of layering.py")
            continue
        inner = cpu_room(path)
        if inner and inner not in CPU_LEVEL:
            report(1, f"{path.parent} is no room of the CPU backend: name it in CPU_LEVELS of layering.py")
            continue
        if any(word in BAD_NAMES for word in path.stem.split("_")):
            report(1, f"a header is named after what it offers, not {path.stem}")
        if not text.startswith("//"):
            report(1, "a header opens with a comment that says what it is")
        if not re.search(r"^#pragma once$", text, flags=re.M):
            report(1, "#pragma once is missing")
        lines = text.count("\n")
        if lines > LINES:
            warnings.append(f"{header}: {lines} lines; think hard above {LINES}")

        for number, line in enumerate(without_comments(text).splitlines(), 1):
            if not line.isascii():
                report(number, "messages are ASCII: clang 14 prints anything else in a static_assert as octal numbers")
            # A macro that its header takes back does not reach the user.
            macro = re.match(r"\s*#\s*define\s+(\w+)", line)
            if macro and path.as_posix() not in MACROS:
                if not re.search(rf"^\s*#\s*undef\s+{macro.group(1)}\b", text, flags=re.M):
                    report(number, f"macros are defined in {', '.join(MACROS)} only (or undefined at the header's end)")
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            bracket, name = match.groups()
            for library, door in ONE_DOOR.items():
                inside = path.as_posix().startswith(door) if door.endswith("/") else path.as_posix() == door
                if name.startswith(library) and not inside:
                    report(number, f"only {door} includes {name}")
            if "cublas" in name.lower() and room != "backend/cuda":
                report(number, "cuBLAS is used in backend/cuda/ only")
            if bracket == "<":
                if name.startswith("strata/"):
                    report(number, f'write a relative path in quotes instead of <{name}>')
                continue
            target = (header.parent / name).resolve()
            if not target.is_file() or root.resolve() not in target.parents:
                report(number, f"{name} is no header of include/strata")
                continue
            target = target.relative_to(root.resolve())
            if not may_include(path, target):
                report(number, f"{path} must not include {target}: {room_of(target)} is not below {room}")
            elif inner and cpu_room(target) and not cpu_may_include(inner, cpu_room(target)):
                report(number, f"{path} must not include {target}: {cpu_room(target)} is not below {inner}")
        if path.suffix == ".ipp" and room != "umbrella" and not (header.with_suffix(".hpp")).is_file():
            report(1, f"{path.stem}.hpp, which declares what stands here, is missing")
        elif path.suffix == ".ipp" and room != "umbrella" and f'"{path.as_posix()}"' not in compiled:
            report(1, f"{FILES} does not include {path}: the library would lack it")
        code = without_comments_and_strings(text)
        if room != "backend/cuda":
            names = set(re.findall(r"\bstd::(\w+)", code)) - set(ANYWHERE)
            names |= set(re.findall(r"(?<![\w>])(::[a-z_]+)(?=\()", code))
            for name in sorted(names):
                full = name if name.startswith("::") else f"std::{name}"
                if name not in STANDARD_HEADER:
                    report(1, f"{full} has no place in STANDARD or POSIX of layering.py: name its header there")
                elif STANDARD_HEADER[name] not in standard_headers(header.resolve(), standard):
                    report(1, f"{full} is used, but <{STANDARD_HEADER[name]}> is not included")
        if re.search(r"\bstruct stat\b", code) and "sys/stat.h" not in standard_headers(header.resolve(), standard):
            report(1, "struct stat is used, but <sys/stat.h> is not included: it would be a new type, strata::stat")
        for number, line in enumerate(code.splitlines(), 1):
            if re.match(r"\s*namespace\s+strata\b(?!::inline STRATA_ABI\b)", line) and path.as_posix() != SHARED:
                report(number, "code of Strata is in namespace strata::inline STRATA_ABI (core/identity.hpp)")
            if re.search(r"^\s*struct (Forward|InputGradient|ParameterGradient)Kernel<", line):
                report(number, "which kernel runs is a list: name the kernel and put it into kernel/choice.hpp")
            if room != "backend/cuda" and "<<<" in line:
                report(number, "kernels are launched in backend/cuda/ only")
            if room != "backend/cuda" and re.search(r"\bcublas", line, flags=re.I) and "include" not in line:
                report(number, "cuBLAS is used in backend/cuda/ only")
            if room == "umbrella" and line.strip() and not re.match(r"\s*#\s*(include|pragma|define STRATA_FILES)", line):
                report(number, "an umbrella header holds includes only")
            for name in MACRO_NAMES.findall(line):
                report(number, f"{name} may be a macro of the user: take a longer name")
            for name in MACRO_CALLS.findall(line):
                report(number, f"{name} may be a macro of the user: write (std::{name})(…)")
    for folder in sorted({header.parent for header in headers} - {root}):
        readme = folder / README
        lines = len(readme.read_text(encoding="utf-8").splitlines()) if readme.is_file() else 0
        least, most = README_LINES
        if not least <= lines <= most:
            errors.append(f"{readme}: a room opens with a {README} of about ten lines (what it holds, what it may include, "
                          f"in which order to read it), but it has {lines}")
        count = sum(header.parent == folder for header in headers if header.suffix != ".ipp")
        if cpu_room(folder.relative_to(root) / "a") and count > CPU_HEADERS:
            errors.append(f"{folder}: {count} headers; a room of the CPU backend has at most {CPU_HEADERS}")
    return errors, warnings


GOOD = {
    "strata.hpp": '#include "train/trainer.hpp"\n#include "backend/cpu/run/executor.hpp"\n',
    "cuda.hpp": '#include "strata.hpp"\n#include "backend/cuda/executor.hpp"\n',
    "eigen.hpp": '#include "strata.hpp"\n#include "eigen/weights.hpp"\n',
    "eigen/weights.hpp": '#include <Eigen/Core>\n#include "../network/network.hpp"\n',
    "openmp.hpp": '#include "strata.hpp"\n#include "backend/cpu/threads/openmp_team.hpp"\n',
    "backend/cpu/threads/openmp_team.hpp": '#include <omp.h>\n#include "../../team.hpp"\n',
    "backend/cpu/threads/pool.hpp": '#include "../../team.hpp"\n',
    "backend/cpu/cpu.hpp": '#include "threads/pool.hpp"\n',
    "backend/cpu/kernel/micro/block.hpp": '#include "../../../../core/shape.hpp"\n',
    "backend/cpu/kernel/generic.hpp": '#include "micro/block.hpp"\n',
    "backend/cpu/kernel/linear/linear_kernel.hpp": '#include "../generic.hpp"\n',
    "backend/cpu/kernel/convolution/direct.hpp": '#include "../micro/block.hpp"\n',
    "backend/cpu/kernel/winograd/winograd.hpp": '#include "../convolution/direct.hpp"\n',
    "backend/cpu/kernel/choice.hpp": '#include "winograd/winograd.hpp"\n',
    "backend/cpu/step/program.hpp": '#include "../kernel/choice.hpp"\n',
    "core/config.hpp": "#define STRATA_HD\n",
    "core/shape.hpp": '#include "config.hpp"\n#include <algorithm>\n#include <limits>\nvoid see();  // <<<, cublas, #define, W, … and min() are harmless in a comment\n'
                      "int least(int a) { return (std::min)(a, std::max<int>(1, a)); }\n",
    "layer/relu.hpp": '#include "../core/shape.hpp"\n',
    "layer/linear.hpp": '#include "relu.hpp"\n#define LOCAL 1\n#undef LOCAL\n',
    "loss/mse.hpp": '#include "../core/shape.hpp"\nnamespace strata::inline STRATA_ABI::detail {\n}\n',
    "core/dispatch.hpp": "#define STRATA_DISPATCH\nnamespace strata::dispatch {\n}\n",
    "network/network.hpp": '#include "../layer/linear.hpp"\n',
    "program/step.hpp": '#include "../network/network.hpp"\n',
    "backend/team.hpp": '#include "../program/step.hpp"\n',
    "backend/cpu/run/executor.hpp": '#include "../../team.hpp"\n#include "../../../network/network.hpp"\n'
                                    '#include "../cpu.hpp"\n#include "../step/program.hpp"\n',
    "backend/cuda/executor.hpp": "#include <cublas_v2.h>\nvoid go() { kernel<<<1, 1>>>(cublasSgemm); }\n",
    "data/gzip.hpp": "#include <zlib.h>\n",
    "io/json.hpp": '#include "../core/shape.hpp"\n#ifndef STRATA_FILES\n#include "json.ipp"\n#endif\n',
    "io/json.ipp": '#include <vector>\n#include "json.hpp"\n',
    "files.ipp": '#include "io/json.ipp"\n',
    "train/trainer.hpp": '#include "../data/gzip.hpp"\n#include "../backend/cpu/run/executor.hpp"\n',
    "testing/gradient_check.hpp": '#include "../train/trainer.hpp"\n',
}
# Each changes one header into one that must be reported, and the words that must appear.
BAD = [
    ("layer/relu.hpp", '#include "../network/network.hpp"\n', "network is not below layer"),
    ("layer/relu.hpp", '#include "../loss/mse.hpp"\n', "loss is not below layer"),
    ("layer/relu.hpp", '#include "../backend/team.hpp"\n', "backend is not below layer"),
    ("program/step.hpp", '#include "../backend/team.hpp"\n', "backend is not below program"),
    ("network/network.hpp", '#include "../program/step.hpp"\n', "program is not below network"),
    ("core/shape.hpp", '#include "../layer/relu.hpp"\n', "layer is not below core"),
    ("backend/cpu/run/executor.hpp", '#include "../../cuda/executor.hpp"\n', "backend/cuda is not below backend/cpu"),
    ("backend/team.hpp", '#include "cpu/run/executor.hpp"\n', "backend/cpu is not below backend"),
    ("data/gzip.hpp", '#include "../io/json.hpp"\n', "io is not below data"),
    ("io/checksum.ipp", '#include "json.hpp"\n', "checksum.hpp, which declares"),
    ("io/json.ipp", '#include "../train/trainer.hpp"\n', "train is not below io"),
    ("files.ipp", "\n", "does not include io/json.ipp"),
    ("train/trainer.hpp", '#include "../strata.hpp"\n', "umbrella is not below train"),
    ("train/trainer.hpp", '#include "../testing/gradient_check.hpp"\n', "testing is not below train"),
    ("testing/gradient_check.hpp", '#include "../strata.hpp"\n', "umbrella is not below testing"),
    ("strata.hpp", '#include "backend/cuda/executor.hpp"\n', "backend/cuda is not below umbrella"),
    ("strata.hpp", '#include "eigen/weights.hpp"\n', "eigen is not below umbrella"),
    ("strata.hpp", '#include "backend/cpu/threads/openmp_team.hpp"\n', "backend/cpu is not below umbrella"),
    ("train/trainer.hpp", '#include "../eigen/weights.hpp"\n', "eigen is not below train"),
    ("optimizer/adam.hpp", "#include <Eigen/Core>\n", "only eigen/ includes Eigen/Core"),
    ("backend/cpu/run/executor.hpp", '#include "../threads/openmp_team.hpp"\n', "backend/cpu is not below backend/cpu"),
    ("backend/cpu/kernel/linear/linear_kernel.hpp", '#include "../convolution/direct.hpp"\n',
     "kernel/convolution is not below kernel/linear"),
    ("backend/cpu/kernel/convolution/direct.hpp", '#include "../winograd/winograd.hpp"\n',
     "kernel/winograd is not below kernel/convolution"),
    ("backend/cpu/kernel/micro/block.hpp", '#include "../generic.hpp"\n', "kernel/generic.hpp is not below kernel/micro"),
    ("backend/cpu/step/program.hpp", '#include "../cpu.hpp"\n', "cpu.hpp is not below step"),
    ("backend/cpu/threads/pool.hpp", '#include "../step/program.hpp"\n', "step is not below threads"),
    ("backend/cpu/old.hpp", "\n", "no room of the CPU backend"),
    ("backend/cpu/kernel/linear/linear_kernel.hpp", "template <class P>\nstruct ForwardKernel<int, P> {};\n", "is a list"),
    ("backend/cpu/run/executor.hpp", "#include <omp.h>\n", "only backend/cpu/threads/openmp_team.hpp includes omp.h"),
    ("strata.hpp", "int answer = 42;\n", "includes only"),
    ("layer/relu.hpp", "#include <strata/core/shape.hpp>\n", "relative path"),
    ("layer/relu.hpp", '#include "../core/missing.hpp"\n', "no header of include/strata"),
    ("layer/relu.hpp", "  #  define RELU 1\n", "macros are defined"),
    ("layer/relu.hpp", "namespace strata {\n}\n", "strata::inline STRATA_ABI"),
    ("layer/relu.hpp", "namespace strata::detail {\n}\n", "strata::inline STRATA_ABI"),
    ("layer/relu.hpp", "void f() { kernel<<<1, 1>>>(); }\n", "kernels are launched"),
    ("layer/relu.hpp", "void f() { cublasSgemm(); }\n", "cuBLAS is used"),
    ("layer/relu.hpp", "#include <cublas_v2.h>\n", "cuBLAS is used"),
    ("data/idx.hpp", "#include <zlib.h>\n", "only data/gzip.hpp"),
    ("train/trainer.hpp", "#include <zmq.hpp>\n", "only distributed/server/transport.hpp"),
    ("layer/relu.hpp", "template <int W>\nstruct Row;\n", "W may be a macro"),
    ("layer/relu.hpp", "#include <algorithm>\nint f(int a) { return std::min(a, 1); }\n", "write (std::min)("),
    ("layer/relu.hpp", "#include <limits>\nint const most = std::numeric_limits<int>::max();\n", "write (std::max)("),
    ("layer/relu.hpp", "std::vector<int> all;\n", "<vector> is not included"),
    ("io/json.hpp", 'std::vector<int> all;\n#ifndef STRATA_FILES\n#include "json.ipp"\n#endif\n', "<vector> is not included"),
    ("io/file.hpp", "void look(struct stat const& at);\n", "<sys/stat.h> is not included"),
    ("layer/relu.hpp", "std::flat_map<int> all;\n", "std::flat_map has no place"),
    ("layer/relu.hpp", "int const made = ::mkdir(name, 0777);\n", "<sys/stat.h> is not included"),
    ("layer/relu.hpp", 'static_assert(true, "Main<…>");\n', "messages are ASCII"),
    ("attic/old.hpp", "\n", "no room of the house"),
    ("core/string_utils.hpp", "\n", "named after what it offers"),
]


def write(root, name, body, opening="// A header.\n#pragma once\n"):
    file = root / "strata" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(opening + body, encoding="utf-8")


def self_test():
    cases = [(name, body, words, None) for name, body, words in BAD]
    cases += [("core/shape.hpp", "\n", "opens with a comment", "#pragma once\n")]
    cases += [("core/shape.hpp", "\n", "#pragma once is missing", "// A header.\n")]
    cases += [(f"backend/cpu/step/{README}", "", "opens with a README.md", "")]
    cases += [("backend/cpu/step", CPU_HEADERS, "13 headers", None)]
    wrong = []
    for name, body, words, opening in [(None, None, None, None)] + cases:
        with tempfile.TemporaryDirectory() as directory:
            root = pathlib.Path(directory)
            for good_name, good_body in GOOD.items():
                write(root, good_name, good_body)
                write(root, str(pathlib.PurePosixPath(good_name).parent / README), "A room.\n" * README_LINES[0], "")
            if name is None:
                wrong += [f"a good tree is refused: {error}" for error in check(root)[0]]
                continue
            if not name.endswith(README):
                write(root, str(pathlib.PurePosixPath(name).parent / README), "A room.\n" * README_LINES[0], "")
            if isinstance(body, int):  # so many headers more
                for k in range(body):
                    write(root, f"{name}/step{k}.hpp", "\n")
            elif opening is None:
                write(root, name, body)
            else:
                write(root, name, body, opening)
            errors, _ = check(root)
            if len(errors) != 1 or words not in errors[0]:
                wrong.append(f"{name} with {body!r} must give one error with {words!r}, but gives {errors}")
    return wrong


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] == "--self-test":
        errors, warnings = self_test(), []
    else:
        errors, warnings = check(pathlib.Path(sys.argv[1]))
    for warning in warnings:
        print("warning:", warning)
    for error in errors:
        print(error)
    sys.exit(1 if errors else 0)


main()

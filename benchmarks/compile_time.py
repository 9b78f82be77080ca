"""Times the builds of compile_time.sh. usage: compile_time.py ROOT FILTER RUNS COMPILER..."""
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

SOURCE = "#include <strata/files.ipp>\n"  # the library strata::files
BUILDS = {"debug": ["-O0", "-g"], "release": ["-O3"]}
GOALS = {f"g++ release {way} {network}": goal for way in ("strata", "strata::files")
         for network, goal in (("lenet", (6, 400)), ("resnet50", (15, 700)))}  # seconds, MiB


def flags(root, framework):
    if framework == "dlib":
        return ["-std=c++17", "-w", "-fopenmp"], ["-ldlib", "-lblas"]
    files = ["-DSTRATA_FILES"] if framework == "strata::files" else []
    return ["-std=c++20", "-pthread", f"-I{root}/include", *files], ["-lz"]


def build(command):
    """Processor seconds and peak MiB of the driver and of what it starts: compiler, assembler, linker. Exits on errors."""
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"This does not compile: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    root, name_part, runs, compilers = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    print(f"{'build':<38} {'seconds':>8} {'goal':>5} {'MiB':>6} {'goal':>5} {'binary KiB':>11}")
    with tempfile.TemporaryDirectory() as directory:
        program = f"{directory}/program"
        for compiler in compilers:
            for build_type, options in BUILDS.items():
                library = f"{directory}/files.o"
                for network in ("library", "lenet", "vgg16", "resnet50"):
                    for framework in ("strata", "strata::files", "dlib"):
                        if network == "library" and framework != "strata::files":
                            continue
                        name = f"{os.path.basename(compiler)} {build_type} {framework} {network}"
                        if name_part not in name and not (network == "library" and "files" in name_part):
                            continue
                        before, after = flags(root, framework)
                        source = f"{root}/benchmarks/compile_time/{framework.split(':')[0]}_{network}.cpp"
                        target = ["-o", program, *after]
                        if network == "library":
                            source = f"{directory}/files.cpp"
                            pathlib.Path(source).write_text(SOURCE, encoding="utf-8")
                            target = ["-c", "-o", library]
                        elif framework == "strata::files":
                            target = [library, *target]
                        command = [compiler, *before, *options, "-march=native", source, *target]
                        seconds, memory = map(statistics.median, zip(*(build(command) for _ in range(runs))))
                        program_or_library = library if network == "library" else program
                        if network != "library":
                            subprocess.run(["strip", program], check=True)
                        goals = GOALS.get(name, ("-", "-"))
                        print(
                            f"{name:<38} {seconds:>8.1f} {goals[0]:>5} {memory:>6.0f} {goals[1]:>5} "
                            f"{os.path.getsize(program_or_library) / 1024:>11.0f}",
                            flush=True,
                        )


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# What a user waits for: compiling and linking a LeNet trainer (lenet_trainer.cpp), optimised for this machine.
#
# usage: benchmarks/compile_time.sh [COMPILER...]
#
# COMPILER defaults to g++, and clang++ where it is installed. Prints the medians of three builds: processor seconds
# (user and system), and the memory of the largest process.
set -euo pipefail

if [[ ${1:-} == -* ]]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"

install_missing g++=g++ python3=python3 header:Eigen/Core=libeigen3-dev header:zlib.h=zlib1g-dev

compilers=("$@")
if [ ${#compilers[@]} -eq 0 ]; then
    compilers=(g++)
    if command -v clang++ >/dev/null; then compilers+=(clang++); fi
fi

exec python3 - "$root" "${compilers[@]}" <<'PYTHON'
import os, statistics, subprocess, sys, tempfile

root, compilers = sys.argv[1], sys.argv[2:]
eigen = next((path for path in ("/usr/include/eigen3", "/usr/local/include/eigen3") if os.path.isdir(path)), "/usr/include")
flags = ["-std=c++20", "-O3", "-march=native", "-fopenmp", "-pthread", f"-I{root}/include", "-isystem", eigen]
failed = False
with tempfile.TemporaryDirectory() as directory:
    for compiler in compilers:
        runs = []
        for _ in range(3):
            process = subprocess.Popen([compiler, *flags, f"{root}/benchmarks/lenet_trainer.cpp", "-lz", "-o",
                                        f"{directory}/lenet_trainer"])
            # The usage of the driver and of what it started: compiler, assembler, linker.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                break
            runs.append((usage.ru_utime, usage.ru_stime, usage.ru_maxrss / 1024))
        if len(runs) < 3:
            print(f"{compiler} does not compile lenet_trainer.cpp.", file=sys.stderr)
            failed = True
            continue
        user, system, memory = (statistics.median(column) for column in zip(*runs))
        print(f"{compiler} user_s={user:.2f} system_s={system:.2f} peak_MiB={memory:.0f}", flush=True)
sys.exit(failed)
PYTHON

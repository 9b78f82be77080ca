#!/usr/bin/env bash
# What a user waits for: compiling and linking trainers of LeNet, VGG-16 and ResNet-50 (compile_time/), from the headers
# alone and with the library strata::files, which is compiled once, beside the same programs in dlib.
#
# usage: benchmarks/compile_time.sh [FILTER] [RUNS] [COMPILER...]
#
# FILTER is a part of a build's name, such as "strata lenet" or "release strata" (default: all), RUNS of each build
# (default 3), COMPILER defaults to g++, and clang++ where it is installed. Debug is -O0 -g, release -O3, both for this
# machine. Prints medians: processor seconds (user and system), the memory of the largest process, the size of the
# program without symbols, and what g++ -O3 is to reach.
set -euo pipefail

if [[ ${1:-} == -* ]]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"

install_missing g++=g++ python3=python3 strip=binutils header:zlib.h=zlib1g-dev header:dlib/dnn.h=libdlib-dev

filter=${1:-} runs=${2:-3}
compilers=("${@:3}")
if [ ${#compilers[@]} -eq 0 ]; then
    compilers=(g++)
    if command -v clang++ >/dev/null; then compilers+=(clang++); fi
fi
exec python3 "$root/benchmarks/compile_time.py" "$root" "$filter" "$runs" "${compilers[@]}"

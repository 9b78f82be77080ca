#!/usr/bin/env bash
# Strata beside LibTorch and, for LeNet, dlib on this machine: training and inference of LeNet, VGG-6, ResNet-20, a
# depthwise-separable network and a multilayer perceptron. Leave the machine idle.
#
# usage: benchmarks/compare.sh [FILTER] [THREADS] [SECONDS]
#
# FILTER is a part of a work's name, such as "lenet train" or "batch=64" (default: all), THREADS 1, 2, … (default, or 0: 1
# and 2), SECONDS of measuring a work and run (default 1). All programs first compute the losses of the same networks on
# the same data, which must agree. Then each work runs three times on every side, in turn, each run a process of its own.
# Prints a line a work: medians in images/s, Strata's over the peer's, the ratio to reach, and the peak memory of the
# processes. Everything, runs included, goes to build/benchmarks/compare.json.
set -euo pipefail

if [ $# -gt 3 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"

install_missing c++=g++ cmake=cmake make=make python3=python3 header:Eigen/Core=libeigen3-dev header:zlib.h=zlib1g-dev \
    header:torch/csrc/api/include/torch/torch.h=libtorch-dev header:dlib/dnn.h=libdlib-dev

# Debian's LibTorch and dlib take whatever libblas.so.3 is; with the reference BLAS they are up to three times as slow.
# The OpenMP variant of OpenBLAS uses the threads that LibTorch is told to use.
blas() { readlink -f "$(ldconfig -p | awk '$1 == "libblas.so.3" { print $NF; exit }')"; }
if [[ $(blas) != *openblas* ]]; then install_packages libopenblas0-openmp; fi
if [[ $(blas) != *openblas* ]]; then
    echo "libblas.so.3 is $(blas): LibTorch and dlib would be slow; choose OpenBLAS with update-alternatives." >&2
    exit 1
fi

build=$root/build/benchmarks
log=$build/build.log
mkdir -p "$build"
echo "building all sides for this machine" >&2
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTRATA_ARCH=native -DSTRATA_BENCHMARKS=ON \
        -DSTRATA_EXAMPLES=OFF -DSTRATA_TESTS=OFF && cmake --build "$build" --target networks libtorch_networks dlib_lenet
} >"$log" 2>&1; then
    cat "$log" >&2
    echo "The benchmarks do not build; the output above is also in $log." >&2
    exit 1
fi

compiler=$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
exec python3 "$root/benchmarks/compare.py" "$build/compare.json" "$("$compiler" --version | head -n 1), -O3 -march=native" \
    "$(basename "$(dirname "$(blas)")")" "$build/benchmarks" "${1:-}" "${2:-0}" "${3:-1}"

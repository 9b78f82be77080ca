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
# shellcheck source=benchmarks/build.sh
. "$root/benchmarks/build.sh"

install_missing c++=g++ cmake=cmake make=make python3=python3 header:zlib.h=zlib1g-dev \
    header:torch/csrc/api/include/torch/torch.h=libtorch-dev header:dlib/dnn.h=libdlib-dev
install_openblas
build_programs networks libtorch_networks dlib_lenet

programs=$build/benchmarks
exec python3 "$root/benchmarks/compare.py" "$build/compare.json" "$(compiler)" "${1:-}" "${2:-0}" "${3:-1}" \
    "$programs/networks" "libtorch=${programs@Q}/libtorch_networks" "dlib=${programs@Q}/dlib_lenet"

#!/usr/bin/env bash
# Strata beside LibTorch on this machine: training and inference of LeNet, VGG-6 and ResNet-20. Leave the machine idle.
#
# usage: benchmarks/compare.sh [FILTER] [THREADS] [SECONDS]
#
# FILTER is a part of a work's name, such as "lenet train" or "batch=64" (default: all), THREADS 1, 2, … (default, or 0: 1
# and 2), SECONDS of measuring a work and run (default 1). Both programs first compute the losses of the same networks on
# the same data, which must agree; then they run in turn, three times each. Prints the medians in images/s, and Strata's
# over LibTorch's.
set -euo pipefail

if [ $# -gt 3 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"

install_missing c++=g++ cmake=cmake make=make header:Eigen/Core=libeigen3-dev header:zlib.h=zlib1g-dev \
    header:torch/csrc/api/include/torch/torch.h=libtorch-dev

build=$root/build/benchmarks
log=$build/build.log
mkdir -p "$build"
echo "building both sides for this machine" >&2
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTRATA_ARCH=native -DSTRATA_BENCHMARKS=ON \
        -DSTRATA_EXAMPLES=OFF -DSTRATA_TESTS=OFF && cmake --build "$build" --target networks libtorch_networks
} >"$log" 2>&1; then
    cat "$log" >&2
    echo "The benchmarks do not build; the output above is also in $log." >&2
    exit 1
fi

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
programs=$build/benchmarks

# Lines "network quantity value" of both sides. fp32 sums in another order differ by about 1e-6; 1e-4 is a different network.
"$programs/networks" losses >"$results/strata"
"$programs/libtorch_networks" losses >"$results/libtorch"
paste -d ' ' "$results/strata" "$results/libtorch" | awk '
    function magnitude(v) { return v < 0 ? -v : v }
    {
        difference = magnitude($3 - $6)
        number = "^[0-9]+[.][0-9]+$"  # mawk lets NaN pass comparisons
        if (NF != 6 || $1 != $4 || $2 != $5 || $3 !~ number || $6 !~ number || !(difference <= 1e-4 * (1 + magnitude($6)))) {
            print "Strata and LibTorch do not compute the same: " $0 > "/dev/stderr"
            wrong = 1
        }
        if (difference > largest) largest = difference
    }
    END {
        if (wrong || NR == 0) exit 1
        printf "%d check values agree; the largest difference is %.1e\n", NR, largest > "/dev/stderr"
    }'

for round in 1 2 3; do
    echo "round $round of 3" >&2
    for side in strata libtorch; do
        program=networks
        [ $side = strata ] || program=libtorch_networks
        "$programs/$program" "${1:-}" "${2:-0}" "${3:-1}" | sed "s/^/$side /" >>"$results/times"
    done
done

# Lines "side network mode batch=B threads=T median_ms=M images_per_s=R", three for each side and work.
awk '
    function middle(a, b, c) { return a > b ? (b > c ? b : a > c ? c : a) : (a > c ? a : b > c ? c : b) }
    {
        work = $2 " " $3 " " $4 " " $5
        if (!(work in seen)) { seen[work] = 1; works[++count] = work }
        rate = $7
        sub(/images_per_s=/, "", rate)
        rates[$1, work, ++runs[$1, work]] = rate + 0
    }
    function median(side, work) { return middle(rates[side, work, 1], rates[side, work, 2], rates[side, work, 3]) }
    END {
        if (!count) { print "No work has this filter in its name." > "/dev/stderr"; exit 1 }
        printf "%-38s %12s %12s %7s\n", "work (images/s)", "strata", "libtorch", "ratio"
        for (i = 1; i <= count; ++i) {
            strata = median("strata", works[i]); libtorch = median("libtorch", works[i])
            printf "%-38s %12.1f %12.1f %7.2f\n", works[i], strata, libtorch, strata / libtorch
        }
    }' "$results/times"

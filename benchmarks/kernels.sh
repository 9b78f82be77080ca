#!/usr/bin/env bash
# Single layers, convolutions beside oneDNN, and all beside what this machine could do. Leave the machine idle.
#
# usage: benchmarks/kernels.sh [FILTER] [THREADS] [SECONDS]
#
# FILTER is a regular expression for names such as "3x3 64-64 32/forward" (default: all), THREADS 1 or 2 (default, or 0:
# both), SECONDS of measuring a kernel and repetition, of which there are three in random order (default 0.2). Prints
# medians in GFLOP/s, Strata's over oneDNN's, and Strata's share of the multiply-add peak, of memory's bandwidth and of
# the roofline, measured in the same run; figures below zero tell of a busy machine. Everything goes to
# build/benchmarks/kernels.json.
set -euo pipefail

if [ $# -gt 3 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"
# shellcheck source=benchmarks/build.sh
. "$root/benchmarks/build.sh"

install_missing c++=g++ cmake=cmake make=make python3=python3 header:dnnl.hpp=libdnnl-dev \
    header:benchmark/benchmark.h=libbenchmark-dev

build_programs kernels

threads=${2:-0}
[ "$threads" != 0 ] || threads='[12]'
"$build/benchmarks/kernels" "--benchmark_filter=(${1:-.*}).*threads:$threads/" "--benchmark_min_time=${3:-0.2}" \
    --benchmark_repetitions=3 --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true \
    "--benchmark_out=$build/kernels.json" >"$build/kernels.log" 2>&1 || {
    cat "$build/kernels.log" >&2
    exit 1
}
exec python3 - "$build/kernels.json" <<'PYTHON'
import json, sys

try:
    report = json.load(open(sys.argv[1]))
except ValueError:
    sys.exit("No layer has this filter in its name.")
context = report["context"]
for threads in ("1_thread", "2_threads"):
    peak, bandwidth = (float(context[f"{name}_{threads}"]) for name in ("peak_GFLOPs", "bandwidth_GBs"))
    print(f"{threads.replace('_', ' ')}: multiply-add peak {peak:.0f} GFLOP/s, memory bandwidth {bandwidth:.0f} GB/s")
print(f"\n{'GFLOP/s':<28} {'pass':<16} {'threads':>7} {'strata':>8} {'onednn':>8} {'ratio':>6} {'of peak':>8} {'of memory':>10} {'of roofline':>12}")
sides = {}
for run in report["benchmarks"]:
    if run["aggregate_name"] == "median":
        work, kernel, side, threads, _ = run["run_name"].split("/")
        sides.setdefault((work, kernel, threads[-1]), {})[side] = run
order = lambda item: (item[0][2], min(run["family_index"] for run in item[1].values()))  # as registered
for (work, kernel, threads), both in sorted(sides.items(), key=order):
    strata, onednn = both.get("strata"), both.get("onednn")
    if not strata:
        continue
    other = f"{onednn['GFLOPs']:>8.1f} {strata['GFLOPs'] / onednn['GFLOPs']:>6.2f}" if onednn else f"{'-':>8} {'-':>6}"
    print(
        f"{work:<28} {kernel:<16} {threads:>7} {strata['GFLOPs']:>8.1f} {other} "
        f"{strata['of_peak']:>8.0%} {strata['of_memory']:>10.0%} {strata['of_roofline']:>12.0%}"
    )
PYTHON

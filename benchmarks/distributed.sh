#!/usr/bin/env bash
# Two ranks of one thread beside one process of two threads, and the checksums of their weights; beside PyTorch's
# DistributedDataParallel and FSDP where STRATA_PYTORCH is a virtual environment with torch (compare_pytorch.sh makes one in
# build/pytorch). Leave the machine idle.
#
# usage: benchmarks/distributed.sh [STEPS]
#
# STEPS of measuring a work and run (default 100; a tenth of them of ResNet-20). The two take turns, five times; prints a
# line a work: medians in images/s and their ratio.
set -euo pipefail

if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"
# shellcheck source=benchmarks/build.sh
. "$root/benchmarks/build.sh"

install_missing c++=g++ cmake=cmake make=make python3=python3 mpicxx=libopenmpi-dev mpirun=openmpi-bin
build_programs ranks
compiler
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
program=$build/benchmarks/ranks
steps=${1:-100}
pytorch=${STRATA_PYTORCH:-$root/build/pytorch}/bin/python
for _ in 1 2 3 4 5; do
    "$program" 2 "$steps" | sed 's/^/threads /'
    mpirun -n 2 --bind-to none "$program" 1 "$steps" | sed 's/^/ranks /'
    [ -x "$pytorch" ] || continue
    for way in ddp fsdp; do
        for rank in 1 0; do
            env RANK=$rank WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 \
                "$pytorch" "$root/benchmarks/pytorch_ranks.py" 1 "$steps" $way | sed "s/^/$way /" &
        done
        wait
    done
done | python3 -c '
import collections, re, statistics, sys
runs, bits = collections.defaultdict(list), collections.defaultdict(set)
for line in sys.stdin:
    side, work, rate, weights = re.match(r"(\w+) (.*) images_per_s=(\S+) weights=(\S+)", line).groups()
    runs[work, side].append(float(rate))
    if side in ("threads", "ranks"):
        bits[work].add(weights)
for work in bits:
    threads, ranks = (statistics.median(runs[work, side]) for side in ("threads", "ranks"))
    same = "the same bits" if len(bits[work]) == 1 else "OTHER BITS"
    peers = ""
    for side, name in (("ddp", "PyTorch DDP"), ("fsdp", "FSDP")):
        if runs[work, side]:
            peer = statistics.median(runs[work, side])
            peers += f"  {name} {peer:9.1f}  ratio {ranks / peer:.2f}"
    print(f"{work:20} 1 process x 2 threads {threads:9.1f}  2 ranks x 1 thread {ranks:9.1f}  ratio {ranks / threads:.2f}{peers}  {same}")
'

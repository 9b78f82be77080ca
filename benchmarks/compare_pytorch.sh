#!/usr/bin/env bash
# Strata beside the newest PyTorch that pip installs, eager and compiled (torch.compile), and beside onnxruntime for
# inference. Leave the machine idle.
#
# usage: benchmarks/compare_pytorch.sh [FILTER] [THREADS] [SECONDS]
#
# Arguments, checks and output are those of compare.sh. The Python packages, several GB, go to build/pytorch; where pip
# cannot install them, one sentence says what is skipped. STRATA_PYTORCH=DIR names another virtual environment for them.
set -euo pipefail

if [ $# -gt 3 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"
# shellcheck source=benchmarks/build.sh
. "$root/benchmarks/build.sh"

install_missing c++=g++ cmake=cmake make=make python3=python3 header:zlib.h=zlib1g-dev

mkdir -p "$root/build"
environment=${STRATA_PYTORCH:-$root/build/pytorch}  # a virtual environment
python=$environment/bin/python
log=$root/build/pytorch.log
install() { "$python" -m pip install --quiet "$@" >>"$log" 2>&1; }
: >"$log"
[ -x "$python" ] || python3 -m venv "$environment" >>"$log" 2>&1 || { install_packages python3-venv && python3 -m venv "$environment"; }
if ! "$python" -c 'import torch, numpy' 2>/dev/null; then
    echo "installing PyTorch in $environment" >&2
    if ! install torch numpy setuptools; then
        echo "The comparison with PyTorch and onnxruntime is skipped: pip cannot install torch (see $log)."
        exit 0
    fi
fi
side() { echo "$1=${python@Q} ${root@Q}/benchmarks/pytorch_networks.py $2"; }
peers=("$(side pytorch eager)" "$(side compiled compile)")
if "$python" -c 'import onnxruntime, onnxscript' 2>/dev/null || install onnxruntime onnx onnxscript; then
    peers+=("$(side onnxruntime onnxruntime)")
else
    echo "onnxruntime is skipped: pip cannot install it (see $log)."
fi

build_programs networks
versions=$("$python" -c 'import torch; print("PyTorch", torch.__version__)')
exec python3 "$root/benchmarks/compare.py" "$build/compare_pytorch.json" "$(compiler); $versions" "${1:-}" "${2:-0}" "${3:-1}" \
    "$build/benchmarks/networks" "${peers[@]}"

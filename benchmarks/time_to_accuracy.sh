#!/usr/bin/env bash
# Time of training to a fixed test accuracy on CIFAR-10, Strata beside Debian's PyTorch with the same recipe.
#
# usage: benchmarks/time_to_accuracy.sh DATA [NETWORK] [THREADS] [SEED]
#
# DATA holds the six .bin files of CIFAR-10's binary version. NETWORK is lenet or resnet20 (default: both), THREADS all
# processors (default), SEED of both (default 1). Both sides train until an epoch ends at the accuracy that is asked for;
# evaluation is not counted. Leave the machine idle: LeNet takes minutes, ResNet-20 up to half an hour.
set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 4 ] || [[ $1 == -* ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"
# shellcheck source=benchmarks/build.sh
. "$root/benchmarks/build.sh"

install_missing c++=g++ cmake=cmake make=make header:zlib.h=zlib1g-dev \
    header:CLI/CLI.hpp=libcli11-dev
if ! /usr/bin/python3 -c 'import numpy, torch' 2>/dev/null; then install_packages python3-torch python3-numpy; fi
install_openblas

build=$root/build/time_to_accuracy
mkdir -p "$build"
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTRATA_ARCH=native -DSTRATA_EXAMPLES=ON \
        -DSTRATA_BENCHMARKS=OFF -DSTRATA_TESTS=OFF && cmake --build "$build" --target cifar10_lenet cifar10_resnet20
} >"$build/build.log" 2>&1; then
    cat "$build/build.log" >&2
    echo "The examples do not build; the output above is also in $build/build.log." >&2
    exit 1
fi

exec /usr/bin/python3 - "$root/benchmarks/pytorch_cifar10.py" "$build/examples" "$1" "${2:-}" "${3:-$(nproc)}" "${4:-1}" <<'PYTHON'
import re, subprocess, sys

peer, examples, data, wanted, threads, seed = sys.argv[1:]
# Network: test accuracy to reach in %, epochs (what the schedule is made for), batch size, learning rate.
WORKS = {"lenet": (60, "10", "64", "0.01"), "resnet20": (75, "5", "128", "0.1")}


def until(target, command):
    """Seconds and epochs of training until the test accuracy is reached; None where it is not."""
    seconds, epochs, accuracy = 0.0, 0, 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if found := re.match(r"epoch .* acc ([\d.]+) %.*?  ([\d.]+) s\b", line):
                accuracy, seconds, epochs = float(found[1]), seconds + float(found[2]), epochs + 1
                if accuracy >= target:
                    process.kill()
                    return seconds, epochs
    if process.returncode != 0 or epochs == 0:
        sys.exit(f"This failed: {' '.join(command)}")
    return None


if wanted and wanted not in WORKS:
    sys.exit(f"There is no network {wanted}; there are {', '.join(WORKS)}.")
print(f"{'network':<10} {'accuracy':>8} {'threads':>7} {'strata':>14} {'pytorch':>14} {'ratio':>6}")
for network, (target, epochs, batch_size, learning_rate) in WORKS.items():
    if wanted in ("", network):
        recipe = ["--epochs", epochs, "--batch-size", batch_size, "--learning-rate", learning_rate, "--threads", threads]
        ours = until(target, [f"{examples}/cifar10_{network}", "train", "--data", data, *recipe, "--seed", seed])
        theirs = until(target, [sys.executable, peer, network, data, epochs, batch_size, learning_rate, threads, seed])
        cells = [f"{run[0]:.1f} s, {run[1]} ep." if run else "not reached" for run in (ours, theirs)]
        ratio = f"{theirs[0] / ours[0]:.2f}" if ours and theirs else "-"
        print(f"{network:<10} {target:>6} % {threads:>7} {cells[0]:>14} {cells[1]:>14} {ratio:>6}", flush=True)
PYTHON

#!/usr/bin/env bash
# Trains a LeNet-style network on Fashion-MNIST: installs what is missing, builds for this machine, runs.
#
# usage: examples/quickstart.sh [DIRECTORY]
#
# DIRECTORY holds the four files of Fashion-MNIST (.gz or unpacked). Without it they are looked for in
# data/fashion-mnist of this checkout and in the Debian package dataset-fashion-mnist.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"

holds_data() {
    local file
    for file in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
        [ -f "$1/$file" ] || [ -f "$1/$file.gz" ] || [ -f "$1/${file/-idx/.idx}" ] || [ -f "$1/${file/-idx/.idx}.gz" ] ||
            return 1
    done
}

if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi

install_missing c++=g++ cmake=cmake make=make header:zlib.h=zlib1g-dev

package=/usr/share/datasets/fashion-mnist
local_data=$root/data/fashion-mnist
if [ $# -eq 1 ]; then
    data=$1
    if ! holds_data "$data"; then
        echo "$data does not hold the four files of Fashion-MNIST: {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]." >&2
        exit 1
    fi
elif holds_data "$local_data"; then
    data=$local_data
elif holds_data "$package" || { install_packages dataset-fashion-mnist 2>/dev/null && holds_data "$package"; }; then
    data=$package
else
    echo "Please install the package dataset-fashion-mnist, or download the four files {train-images-idx3,train-labels-idx1,t10k-images-idx3,t10k-labels-idx1}-ubyte.gz" \
        "from https://github.com/zalandoresearch/fashion-mnist/tree/master/data/fashion into $local_data" \
        "and start this script again." >&2
    exit 1
fi
data=$(cd "$data" && pwd)

build=$root/build/quickstart
log=$build/build.log
mkdir -p "$build"
echo "building the quickstart for this machine"
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTRATA_ARCH=native -DSTRATA_EXAMPLES=ON \
        -DSTRATA_TESTS=OFF -DSTRATA_BENCHMARKS=OFF && cmake --build "$build" --target quickstart
} >"$log" 2>&1; then
    cat "$log" >&2
    echo "The quickstart does not build; the output above is also in $log." >&2
    exit 1
fi

"$build/examples/quickstart" "$data"

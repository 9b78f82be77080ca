#!/usr/bin/env bash
# Starts two parameter servers and four workers on this machine, which train a small network on Fashion-MNIST.
#
# usage: examples/parameter_server.sh [DIRECTORY]
#
# DIRECTORY holds the four files of Fashion-MNIST, as for quickstart.sh; without it they are Debian's package
# dataset-fashion-mnist. MODE is bsp (the default), asp or a number, the staleness of ssp; EPOCHS=N, SERVERS=N, WORKERS=N and
# PORT=N, the first server's, say other numbers. With STORAGE=DIR servers go on from what is there.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"

if [ $# -gt 1 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
servers=${SERVERS:-2} workers=${WORKERS:-4} mode=${MODE:-bsp} epochs=${EPOCHS:-1} port=${PORT:-5555}
for number in "$servers" "$workers" "$epochs" "$port"; do
    if ! [[ $number =~ ^[1-9][0-9]{0,8}$ ]]; then
        echo "parameter_server.sh: SERVERS, WORKERS, EPOCHS and PORT are whole numbers of at least 1, not $number" >&2
        exit 2
    fi
done

install_missing c++=g++ cmake=cmake make=make header:zlib.h=zlib1g-dev header:zmq.h=libzmq3-dev
data=${1:-/usr/share/datasets/fashion-mnist}
[ $# -eq 1 ] || [ -d "$data" ] || install_packages dataset-fashion-mnist

build=$root/build/quickstart
mkdir -p "$build"
echo "building the example for this machine"
if ! {
    cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTRATA_ARCH=native -DSTRATA_EXAMPLES=ON \
        -DSTRATA_TESTS=OFF -DSTRATA_BENCHMARKS=OFF && cmake --build "$build" --target parameter_server
} >"$build/build.log" 2>&1; then
    cat "$build/build.log" >&2
    exit 1
fi
program=$build/examples/parameter_server

# Whatever ends this script ends all of them.
processes=()
stop() {
    trap - EXIT INT TERM
    kill "${processes[@]}" 2>/dev/null || true
    wait || true
}
trap stop EXIT
trap 'stop; exit 1' INT TERM

addresses=()
for ((server = 0; server < servers; ++server)); do
    addresses+=("tcp://127.0.0.1:$((port + server))")
    "$program" server "${addresses[server]}" "$server" "$servers" "$workers" "$mode" ${STORAGE:+"$STORAGE"} &
    processes+=($!)
done
for ((worker = 0; worker < workers; ++worker)); do
    "$program" worker "$worker" "$workers" "$mode" "$epochs" "$data" "${addresses[@]}" &
    processes+=($!)
done
# Servers end when the last worker has left; a process that fails ends all.
for ((left = servers + workers; left > 0; --left)); do
    wait -n
done

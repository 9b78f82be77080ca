#!/usr/bin/env bash
# The exchange of gradients between hosts with a slow network, measured and simulated, on this machine alone: every host is
# a network namespace on one bridge, with a token bucket each way. Needs root, and leaves nothing behind.
#
# usage: benchmarks/emulated_hosts.sh [MBIT] [HOSTS]...
#
# MBIT of a host's line each way (default 100), HOSTS that take part (default 1 2 4 8, at most 16). Prints a line a number
# of hosts and size; where namespaces are not allowed, one that says so. Then training steps of a network of 4.2 million
# parameters on two hosts, with and without codes, STEPS of each (default 10; 0 leaves them out), beside PyTorch's
# DistributedDataParallel, with and without its hook for fp16, where STRATA_PYTORCH is a virtual environment with torch.
# SIZES are other sizes than the usual ones, in bytes ("-" leaves them out).
set -euo pipefail

if [[ ${1:-} == -* ]]; then
    sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"
# shellcheck source=benchmarks/build.sh
. "$root/benchmarks/build.sh"

mbit=${1:-100}
shift $(($# > 0 ? 1 : 0))
hosts=("$@")
[ $# -gt 0 ] || hosts=(1 2 4 8)
install_missing c++=g++ cmake=cmake make=make ip=iproute2 tc=iproute2 mpicxx=libopenmpi-dev mpirun=openmpi-bin

prefix=strata$$
most=$(printf '%s\n' "${hosts[@]}" | sort -n | tail -1)
agent=$(mktemp)
clean() {
    rm -f "$agent"
    ip netns del "$prefix-bridge" 2>/dev/null || true
    for ((i = 0; i < most; i++)); do ip netns del "$prefix-$i" 2>/dev/null || true; done
}
trap clean EXIT
if ! { ip netns add "$prefix-bridge" && ip netns exec "$prefix-bridge" ip link add bridge type bridge; } 2>/dev/null; then
    echo "SKIPPED emulated_hosts: network namespaces are not allowed here" >&2
    exit 0
fi
build_programs exchange host_steps
compiler

ip netns exec "$prefix-bridge" ip link set bridge up
for ((i = 0; i < most; i++)); do
    host=$prefix-$i
    ip netns add "$host"
    ip link add "line$$" type veth peer name "port$i" netns "$prefix-bridge"
    ip link set "line$$" netns "$host" name line
    ip netns exec "$prefix-bridge" ip link set "port$i" master bridge up
    ip netns exec "$host" ip link set lo up
    ip netns exec "$host" ip addr add "10.78.0.$((i + 1))/24" dev line
    ip netns exec "$host" ip link set line up
    # The kernel has it for everybody; without a new slow start after each computation.
    ip netns exec "$host" sysctl -qw net.ipv4.tcp_congestion_control=reno net.ipv4.tcp_slow_start_after_idle=0
done
# What mpirun takes for ssh: arguments are options, host and command.
cat >"$agent" <<END
#!/bin/sh
while case \$1 in -*) true ;; *) false ;; esac; do shift; done
host=\${1##*.}
shift
exec ip netns exec $prefix-\$((host - 1)) /bin/sh -c "\$*"
END
chmod +x "$agent"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# on_hosts COUNT PROGRAM ARGUMENTS...: a rank on each of the first COUNT hosts.
on_hosts() {
    local count=$1
    shift
    timeout 600 ip netns exec "$prefix-0" mpirun -n "$count" -H "$(seq -f '10.78.0.%g:1' -s , "$count")" --bind-to none \
        --mca mpi_yield_when_idle 1 --mca plm_rsh_agent "$agent" --mca oob_tcp_if_include 10.78.0.0/24 --mca btl tcp,self \
        --mca rtc ^hwloc --mca btl_tcp_if_include 10.78.0.0/24 ${STRATA_WITH:-} "$@"
}
# What messages and bytes take of the processors, which the hosts share, is measured before there are limits.
declare -A costs
for count in "${hosts[@]}"; do
    [ "${SIZES:-}" = - ] || costs[$count]=$(on_hosts "$count" "$build/benchmarks/exchange" free)
done
for ((i = 0; i < most; i++)); do
    ip netns exec "$prefix-$i" tc qdisc add dev line root tbf rate "${mbit}mbit" burst 4kb latency 400ms
    ip netns exec "$prefix-bridge" tc qdisc add dev "port$i" root tbf rate "${mbit}mbit" burst 4kb latency 400ms
done
for count in "${hosts[@]}"; do
    [ "${SIZES:-}" = - ] && break
    echo "ranks=$count engine: microseconds a message : nanoseconds a byte = ${costs[$count]}"
    on_hosts "$count" "$build/benchmarks/exchange" "$mbit:${costs[$count]}" ${SIZES:-}
done
steps=${STEPS:-10}
if ((steps == 0)) || ! [[ " ${hosts[*]} " == *" 2 "* ]]; then exit 0; fi
on_hosts 2 "$build/benchmarks/host_steps" "$mbit" "$steps"
pytorch=${STRATA_PYTORCH:-$root/build/pytorch}/bin/python
[ -x "$pytorch" ] || exit 0
for way in ddp fp16; do
    for rank in 1 0; do
        timeout 600 ip netns exec "$prefix-$rank" env RANK=$rank WORLD_SIZE=2 MASTER_ADDR=10.78.0.1 MASTER_PORT=29500 \
            GLOO_SOCKET_IFNAME=line "$pytorch" "$root/benchmarks/pytorch_ranks.py" 1 "$steps" $way wide_mlp |
            sed "s/^/PyTorch $way /" &
    done
    wait
done

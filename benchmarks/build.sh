# shellcheck shell=bash disable=SC2154
# Sourced by the scripts here, which name the repository in $root.

build=$root/build/benchmarks
export PYTHONDONTWRITEBYTECODE=1  # no __pycache__ among the sources

# build_programs PROGRAM...: builds programs of this directory for this machine, in $build/benchmarks. Exits with the
# compiler's output where that does not work.
build_programs() {
    local log=$build/build.log
    mkdir -p "$build"
    echo "building for this machine" >&2
    if ! {
        cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DSTRATA_ARCH=native -DSTRATA_BENCHMARKS=ON \
            -DSTRATA_EXAMPLES=OFF -DSTRATA_TESTS=OFF && cmake --build "$build" --target "$@"
    } >"$log" 2>&1; then
        cat "$log" >&2
        echo "The benchmarks do not build; the output above is also in $log." >&2
        exit 1
    fi
}

# compiler: what the programs were built with.
compiler() {
    echo "$("$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")" --version | head -n 1), -O3 -march=native"
}

# blas: the library that Debian's LibTorch, PyTorch and dlib use, whatever libblas.so.3 is. With the reference BLAS they are
# up to three times as slow; the OpenMP variant of OpenBLAS uses the threads that LibTorch is told to use.
blas() { readlink -f "$(ldconfig -p | awk '$1 == "libblas.so.3" { print $NF; exit }')"; }
install_openblas() {
    if [[ $(blas) != *openblas* ]]; then install_packages libopenblas0-openmp; fi
    if [[ $(blas) != *openblas* ]]; then
        echo "libblas.so.3 is $(blas), which would make the peers slow: choose OpenBLAS with update-alternatives." >&2
        exit 1
    fi
}

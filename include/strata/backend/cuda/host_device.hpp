// A device made of loops: it runs the functors of the CUDA backend on the CPU, thread index by thread index, block by
// block, in the order of additions of the GPU's kernels. For tests; CpuExecutor is the fast one.
#pragma once

#include <cstring>
#include <new>

#include "../../core/error.hpp"
#include "cuda.hpp"
#include "grid.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// The threads of a block, one after another; what they do between two barriers must not depend on their order.
struct HostThreads {
    bool reversed;
    template <class F>
    STRATA_HD void each(F const& f) const {
        for (int t = 0; t < block_threads; ++t) f(reversed ? block_threads - 1 - t : t);
    }
};
}  // namespace detail

class HostDevice {
public:
    /// Small, so that tests see im2col in several runs.
    static constexpr long scratch_scalars = 1L << 14;

    explicit HostDevice(Cuda, bool reversed = false) : reversed_(reversed) {}

    void activate() {}
    void synchronize() {}
    void* allocate(std::size_t bytes) { return ::operator new(bytes, std::align_val_t{64}); }
    void release(void* data) noexcept { ::operator delete(data, std::align_val_t{64}); }
    void clear(void* data, std::size_t bytes) { std::memset(data, 0, bytes); }
    void upload(void* to, void const* from, std::size_t bytes) { copy(to, from, bytes); }
    void download(void* to, void const* from, std::size_t bytes) { copy(to, from, bytes); }
    void copy(void* to, void const* from, std::size_t bytes) {
        if (bytes > 0) std::memcpy(to, from, bytes);
    }

    template <class Body>
    void launch(Body const& body) {
        long const threads = body.threads();
        for (long t = 0; t < threads; ++t) body(reversed_ ? threads - 1 - t : t);
    }
    template <class Body>
    void launch_blocks(Body const& body) {
        typename Body::Value values[detail::block_threads];
        long const blocks = body.blocks();
        for (long b = 0; b < blocks; ++b)
            detail::run_block(body, reversed_ ? blocks - 1 - b : b, values, detail::HostThreads{reversed_});
    }

    /// c[m][n] = op(a)[m][k] op(b)[k][n] + beta c, row-major with row lengths lda, ldb, ldc; op
    /// transposes where asked to.
    template <class T>
    void gemm(bool transpose_a, bool transpose_b, long m, long n, long k, T const* a, long lda, T const* b, long ldb,
              T beta, T* c, long ldc) {
        for (long i = 0; i < m; ++i)
            for (long j = 0; j < n; ++j) {
                T total(0);
                for (long l = 0; l < k; ++l)
                    total += (transpose_a ? a[l * lda + i] : a[i * lda + l]) *
                             (transpose_b ? b[j * ldb + l] : b[l * ldb + j]);
                c[i * ldc + j] = beta == T(0) ? total : total + beta * c[i * ldc + j];
            }
    }

private:
    bool reversed_;
};

}  // namespace strata::inline STRATA_ABI

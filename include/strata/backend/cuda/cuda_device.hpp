// CudaDevice: memory, copies, kernel launches and cuBLAS of one GPU; the only header with <<<>>> and
// cuBLAS in it. Needs nvcc.
//
// All work goes into one stream in order. Uploads come from pageable memory, which the runtime stages before it
// returns; downloads wait for the stream.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <climits>
#include <concepts>

#include "../../core/error.hpp"
#include "cuda.hpp"
#include "grid.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

inline void check_cuda(cudaError_t error, char const* call) {
    if (error != cudaSuccess) fail("Cuda: ", call, " failed: ", cudaGetErrorString(error));
}
inline void check_cublas(cublasStatus_t status, char const* call) {
    if (status != CUBLAS_STATUS_SUCCESS) fail("Cuda: ", call, " failed: ", cublasGetStatusString(status));
}

#ifdef __CUDACC__
/// One thread a thread index; `body` travels in constant memory.
template <class Body>
__global__ void run_threads(Body const body, long threads) {
    long const thread = static_cast<long>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (thread < threads) body(thread);
}

/// The thread that this is; the block meets after each phase.
struct DeviceThreads {
    template <class F>
    STRATA_DEVICE void each(F const& f) const {
#ifdef __CUDA_ARCH__
        f(static_cast<int>(threadIdx.x));
        __syncthreads();
#else
        (void)f;
#endif
    }
};

template <class Body>
__global__ void run_blocks(Body const body) {
    __shared__ typename Body::Value values[block_threads];
    run_block(body, static_cast<long>(blockIdx.x), values, DeviceThreads{});
}
#endif

}  // namespace detail

class CudaDevice {
public:
    /// Patches of an im2col at once: 128 MiB of floats.
    static constexpr long scratch_scalars = 1L << 25;

    /// Throws Error where there is no usable GPU or none with this index.
    explicit CudaDevice(Cuda cuda) : device_(cuda.device) {
        int count = 0;
        cudaError_t const error = cudaGetDeviceCount(&count);
        if (error != cudaSuccess || count == 0)
            fail("Cuda: this machine has no usable NVIDIA GPU (",
                 error == cudaSuccess ? "none was found" : cudaGetErrorString(error), "); train with Cpu instead");
        if (device_ < 0 || device_ >= count) fail("Cuda: device is ", device_, ", expected 0 to ", count - 1);
        activate();
        detail::check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
        if (cublasStatus_t const status = cublasCreate(&cublas_); status != CUBLAS_STATUS_SUCCESS) {
            cudaStreamDestroy(stream_);
            detail::check_cublas(status, "cublasCreate");
        }
        cublasSetStream(cublas_, stream_);
    }
    CudaDevice(CudaDevice const&) = delete;
    CudaDevice& operator=(CudaDevice const&) = delete;
    ~CudaDevice() {
        cublasDestroy(cublas_);
        cudaStreamDestroy(stream_);
    }

    /// Makes this GPU the calling thread's.
    void activate() { detail::check_cuda(cudaSetDevice(device_), "cudaSetDevice"); }
    void synchronize() { detail::check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

    void* allocate(std::size_t bytes) {
        void* data = nullptr;
        detail::check_cuda(cudaMalloc(&data, bytes), "cudaMalloc");
        return data;
    }
    void release(void* data) noexcept { cudaFree(data); }
    void clear(void* data, std::size_t bytes) {
        detail::check_cuda(cudaMemsetAsync(data, 0, bytes, stream_), "cudaMemsetAsync");
    }
    void upload(void* to, void const* from, std::size_t bytes) { copy_with(to, from, bytes, cudaMemcpyHostToDevice); }
    void download(void* to, void const* from, std::size_t bytes) {
        copy_with(to, from, bytes, cudaMemcpyDeviceToHost);
        synchronize();
    }
    void copy(void* to, void const* from, std::size_t bytes) { copy_with(to, from, bytes, cudaMemcpyDeviceToDevice); }

#ifdef __CUDACC__
    template <class Body>
    void launch(Body const& body) {
        constexpr int threads_per_block = 256;
        long const threads = body.threads();
        if (threads == 0) return;
        detail::
            run_threads<<<grid((threads + threads_per_block - 1) / threads_per_block), threads_per_block, 0, stream_>>>(
                body, threads);
        detail::check_cuda(cudaGetLastError(), "a kernel launch");
    }
    template <class Body>
    void launch_blocks(Body const& body) {
        long const blocks = body.blocks();
        if (blocks == 0) return;
        detail::run_blocks<<<grid(blocks), detail::block_threads, 0, stream_>>>(body);
        detail::check_cuda(cudaGetLastError(), "a kernel launch");
    }
#endif

    /// c[m][n] = op(a)[m][k] op(b)[k][n] + beta c, row-major with row lengths lda, ldb, ldc; op transposes where asked
    /// to. cuBLAS is column-major: it computes c' = op(b)' op(a)' in the same memory.
    template <class T>
    void gemm(bool transpose_a, bool transpose_b, long m, long n, long k, T const* a, long lda, T const* b, long ldb,
              T beta, T* c, long ldc) {
        T const alpha(1);
        auto const op = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
        auto const multiply = [&](auto function) {
            detail::check_cublas(function(cublas_, op(transpose_b), op(transpose_a), size(n), size(m), size(k), &alpha,
                                          b, size(ldb), a, size(lda), &beta, c, size(ldc)),
                                 "a cuBLAS matrix product");
        };
        static_assert(std::same_as<T, float> || std::same_as<T, double>);
        if constexpr (std::same_as<T, float>)
            multiply(&cublasSgemm);
        else
            multiply(&cublasDgemm);
    }

private:
    static int size(long value) {
        if (value > INT_MAX)
            fail("Cuda: a matrix has ", value, " columns, more than cuBLAS counts: use a smaller batch");
        return static_cast<int>(value);
    }
    static unsigned grid(long blocks) {
        if (blocks > INT_MAX)
            fail("Cuda: a kernel needs ", blocks, " blocks, more than CUDA launches: use a smaller batch");
        return static_cast<unsigned>(blocks);
    }
    void copy_with(void* to, void const* from, std::size_t bytes, cudaMemcpyKind kind) {
        if (bytes > 0) detail::check_cuda(cudaMemcpyAsync(to, from, bytes, kind, stream_), "cudaMemcpyAsync");
    }

    int device_;
    cudaStream_t stream_ = nullptr;
    cublasHandle_t cublas_ = nullptr;
};

}  // namespace strata::inline STRATA_ABI

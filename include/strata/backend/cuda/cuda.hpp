// The CUDA backend's policy: `train<LeNet>(Cuda{}, CrossEntropy{}, …)`. Include
// <strata/cuda.hpp> and compile with nvcc.
#pragma once

#include "../backend.hpp"

namespace strata::inline STRATA_ABI {

class CudaDevice;
template <class Net, class Precision, class Loss, class Device>
class CudaExecutor;

/// One NVIDIA GPU.
struct Cuda {
    using policy = BackendPolicy;
    template <class Net, class Precision, class Loss>
    using Executor = CudaExecutor<Net, Precision, Loss, CudaDevice>;
    int device = 0;  ///< index of the GPU as the CUDA runtime counts them
};

}  // namespace strata::inline STRATA_ABI

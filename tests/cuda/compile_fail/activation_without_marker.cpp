// expect: calling a __host__ function(
// expect: Softplus::backward
// expect: from a __device__ function(
#include <strata/backend/cuda/cuda_device.hpp>
#include <strata/backend/cuda/executor.hpp>
#include <strata/layer/linear.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Softplus {
    template <class L>
    STRATA_HD L forward(L x) const {
        return log(L(1) + exp(x));
    }
    template <class L>
    L backward(L x, L, L dy) const {
        return dy / (L(1) + exp(-x));
    }
};
using Net = Network<Input<8>, Linear<4>, Softplus>;

void step(Cuda::Executor<Net, Float32, CrossEntropy>& gpu, Model<Net> const& model, Batch const& batch) {
    gpu.gradients(model, batch, {});
    gpu.evaluate(model, batch, nullptr, nullptr);
}

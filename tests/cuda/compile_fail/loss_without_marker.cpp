// expect: calling a __host__ function(
// expect: Linf::operator()
// expect: from a __device__ function(
#include <strata/backend/cuda/cuda_device.hpp>
#include <strata/backend/cuda/executor.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Linf {
    using policy = LossPolicy;
    static constexpr bool classifies = false;

    template <int K, class Io>
    auto operator()(Io const& io) const {
        typename Io::L total(0);
        for (int k = 0; k < K; ++k) total = maximum(absolute(io.x[k] - io.target[k]), total);
        return total;
    }
};
using Net = Network<Input<8>, Linear<2>>;

void step(Cuda::Executor<Net, Float32, Linf>& gpu, Model<Net> const& model, Batch const& batch) {
    gpu.gradients(model, batch, {});
}

// expect: calling a __host__ function(
// expect: SignSGD::Update
// expect: from a __device__ function(
#include <strata/backend/cuda/cuda_device.hpp>
#include <strata/backend/cuda/executor.hpp>
#include <strata/layer/linear.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct SignSGD {
    using policy = OptimizerPolicy;
    double learning_rate = 1e-3;

    template <class T>
    struct Update {
        T rate;
        template <class L>
        void operator()(L& w, L gradient) const {
            w = w - select(gradient > L(0), L(rate), L(-rate));
        }
    };
    template <class T>
    Update<T> prepare(OptimizerStep const& step) const {
        return {static_cast<T>(step.learning_rate)};
    }
};
using Net = Network<Input<8>, Linear<2>>;

void step(Cuda::Executor<Net, Float32, CrossEntropy>& gpu, Model<Net>& model) { gpu.update(model, SignSGD{}, {}, {}); }

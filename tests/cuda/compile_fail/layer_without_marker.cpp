// expect: calling a __host__ function(
// expect: Scale::On
// expect: from a __device__ function(
#include <strata/backend/cuda/cuda_device.hpp>
#include <strata/backend/cuda/executor.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Scale {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        struct Weight : Parameter<"weight", X, Ones, 1, 1> {};
        using Parameters = ParameterList<Weight>;

        template <class Io>
        STRATA_HD static auto forward(Position<1> at, Io const& io) {
            return io.x(at[0]) * io.p(Weight{})(at[0]);
        }
        template <class Io>
        STRATA_HD static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy(at[0]) * io.p(Weight{})(at[0]);
        }
        template <class Io>
        static auto parameter_gradient(Weight, Position<1> at, Io const& io) {
            return io.dy(at[0]) * io.x(at[0]);
        }
    };
};
using Net = Network<Input<8>, Scale>;

void step(Cuda::Executor<Net, Float32, CrossEntropy>& gpu, Model<Net> const& model, Batch const& batch) {
    gpu.gradients(model, batch, {});
}

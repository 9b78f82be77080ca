// expect: calling a __host__ function(
// expect: Centered::On
// expect: ::gathered_gradient(
// expect: from a __device__ function(
#include <strata/backend/cuda/cuda_device.hpp>
#include <strata/backend/cuda/executor.hpp>
#include <strata/loss/cross_entropy.hpp>
#include <strata/network/network.hpp>

using namespace strata;
/// y = x - mean of x over the batch + bias
struct Centered {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        struct Bias : Parameter<"bias", X, Zeros, 1, 1> {};
        using Parameters = ParameterList<Bias>;
        struct RunningMean : Parameter<"running_mean", X, Zeros, 1, 1> {};
        using Buffers = ParameterList<RunningMean>;
        static constexpr Keep keep = Keep::nothing;
        struct Mean : Pass<X, Scope::batch> {};
        struct MeanGradient : Pass<X, Scope::batch> {};
        using ForwardPasses = PassList<Mean>;
        using BackwardPasses = PassList<MeanGradient>;

        template <class Io>
        STRATA_HD static auto pass(Mean, Position<1> at, int, Io const& io) {
            return io.x[at[0]];
        }
        template <class Io>
        STRATA_HD static auto pass(MeanGradient, Position<1> at, int, Io const& io) {
            return io.dy[at[0]];
        }
        STRATA_HD static std::array<double, 1> finish(Mean, GatheredSums<1> const& of) {
            return {of.sum[0] / of.count};
        }
        template <class B>
        STRATA_HD static std::array<double, 1> evaluation(Mean, int element, B const& buffers) {
            return {buffers(RunningMean{})[element]};
        }
        template <class T>
        STRATA_HD static T moved(Mean, RunningMean, T old, GatheredSums<1> const& of) {
            return static_cast<T>((static_cast<double>(old) + of.sum[0] / of.count) / 2);
        }
        static double gathered_gradient(MeanGradient, Bias, GatheredSums<1> const& of) { return of.sum[0]; }

        template <class Io>
        STRATA_HD static auto forward(Position<1> at, Io const& io) {
            return io.x[at[0]] - io.pass(Mean{})[at[0]] + typename Io::L(io.p(Bias{})(at[0]));
        }
        template <class Io>
        STRATA_HD static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy[at[0]] - io.pass(MeanGradient{})[at[0]];
        }
    };
};
using Net = Network<Input<8>, Centered>;

void step(Cuda::Executor<Net, Float32, CrossEntropy>& gpu, Model<Net> const& model, Batch const& batch) {
    gpu.gradients(model, batch, {});
    gpu.evaluate(model, batch, nullptr, nullptr);
}

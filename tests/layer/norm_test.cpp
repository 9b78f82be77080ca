// Normalisations of a sample and softmax against PyTorch, generic kernels and fast ones, on every tile size; their gradients;
// long samples, large numbers, and a whole training step.
#include "oracle_run.hpp"
#include "strata/backend/cpu/normalization_kernel.hpp"
#include "strata/backend/cpu/softmax_kernel.hpp"
#include "strata/layer/norm/group_norm.hpp"
#include "strata/layer/norm/instance_norm1d.hpp"
#include "strata/layer/norm/instance_norm2d.hpp"
#include "strata/layer/norm/layer_norm.hpp"
#include "strata/layer/norm/layer_norm2d.hpp"
#include "strata/layer/norm/rms_norm.hpp"
#include "strata/testing/gradient_check.hpp"

using namespace strata;

namespace {
template <class Layer, class X>
void compare(std::string const& name) {
    compare_with_libtorch<Layer, X>(name);
    using Op = typename Layer::template On<X>;
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_case(name, kernels_of<Op, Float32, S>(), false), ...);
    }(std::integer_sequence<int, 1, 4, 16>{});
    [&]<int... S>(std::integer_sequence<int, S...>) {
        (compare_case(name, kernels_of<Op, Float64, S>(), false), ...);
    }(std::integer_sequence<int, 1, 2, 16>{});
}
}  // namespace

TEST_CASE("values and gradients are PyTorch's") {
    compare<LayerNorm<>, Shape<37>>("norm/layer/37");
    compare<LayerNorm<NoBias, Epsilon<0.01>>, Shape<4, 3, 5>>("norm/layer/4x3x5_nobias");
    compare<LayerNorm<NoAffine>, Shape<4, 3, 5>>("norm/layer/4x3x5_noaffine");
    compare<LayerNorm2d<>, Shape<5, 3, 3>>("norm/layer2d/5x3x3");
    compare<RMSNorm<>, Shape<37>>("norm/rms/37");
    compare<RMSNorm<NoAffine, Epsilon<0.01>>, Shape<4, 3, 5>>("norm/rms/4x3x5_noaffine");
    compare<GroupNorm<2>, Shape<6, 3, 3>>("norm/group2/6x3x3");
    compare<GroupNorm<3, Epsilon<0.01>>, Shape<12>>("norm/group3/12");
    compare<GroupNorm<1, NoAffine>, Shape<4, 2, 2>>("norm/group1/4x2x2_noaffine");
    compare<InstanceNorm2d<>, Shape<3, 7, 6>>("norm/instance2d/3x7x6");
    compare<InstanceNorm2d<Affine, Epsilon<0.01>>, Shape<3, 2, 2>>("norm/instance2d/3x2x2_affine");
    compare<InstanceNorm1d<Affine>, Shape<3, 9>>("norm/instance1d/3x9_affine");
    compare<Softmax, Shape<5>>("softmax/5");
    compare<Softmax, Shape<37>>("softmax/37");
    compare<Softmax, Shape<4, 3, 5>>("softmax/4x3x5");
    compare<LogSoftmax, Shape<37>>("log_softmax/37");
    compare<LogSoftmax, Shape<3, 9>>("log_softmax/3x9");
}

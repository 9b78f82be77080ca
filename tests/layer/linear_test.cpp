// Linear (generic and fast kernels) and ReLU against LibTorch; ReLU and NaN.
#include "strata/backend/cpu/kernel/linear/linear_kernel.hpp"

#include "layer_run.hpp"
#include "strata/layer/relu.hpp"

using namespace strata;

TEST_CASE("Linear") {
    compare_with_libtorch<Linear<5>, Shape<7>>("linear/7_o5");
    compare_with_libtorch<Linear<5, NoBias>, Shape<7>>("linear/7_o5_nobias");
    compare_fast_with_libtorch<Linear<5>, Shape<7>>("linear/7_o5");
    compare_fast_with_libtorch<Linear<5, NoBias>, Shape<7>>("linear/7_o5_nobias");
}

TEST_CASE("ReLU with exact zeros") {
    using Op = ElementwiseOperation<ReLU, Shape<2, 7, 6>>;
    compare_case("relu/2x7x6", kernels_of<Op, Float64, 1>(), true);
    compare_case("relu/2x7x6", kernels_of<Op, Float32, 16>(), true);
}

TEST_CASE("ReLU keeps NaN and passes the gradient only above zero") {
    using Op = ElementwiseOperation<ReLU, Shape<5>>;
    double const nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
    auto const check = [&](LayerResult const& result) {
        CHECK(std::isnan(result.y[0]));
        CHECK(std::vector<double>(result.y.begin() + 1, result.y.end()) == std::vector<double>{0, infinity, 0, 2});
        CHECK(result.dx == std::vector<double>{1, 0, 1, 0, 1});
    };
    check(run_layer(kernels_of<Op, Float64, 1>(), {nan, -infinity, infinity, 0, 2}, {}, {1, 1, 1, 1, 1}));
    check(run_layer(kernels_of<Op, Float32, 8>(), {nan, -infinity, infinity, 0, 2}, {}, {1, 1, 1, 1, 1}));
}

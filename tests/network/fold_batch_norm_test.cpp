// Folding BatchNorm into the layer before: the same outputs in evaluation, layer by layer and through groups.
#include <doctest/doctest.h>
#include <strata/strata.hpp>

#include <vector>

using namespace strata;

namespace {
template <class Net>
double largest_difference() {
    Model<Net, Float64> model(3);
    Random random(5, Purpose::user);
    for (double& p : model.parameters()) p = random.uniform(-1, 1);
    for (double& b : model.buffers()) b = random.uniform(0.5, 1.5);  // variances too
    auto const folded = fold_batch_norm(model);
    std::vector<double> x(static_cast<std::size_t>(5 * Net::InputShape::size));
    for (double& v : x) v = random.uniform(-1, 1);
    Workspace<Net, Float64> workspace;
    Workspace<FoldedNetwork<Net>, Float64> folded_workspace;
    auto const expected = model(std::span<double const>(x), workspace);
    auto const got = folded(std::span<double const>(x), folded_workspace);
    double difference = 0, largest = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        difference = std::max(difference, std::abs(got[i] - expected[i]));
        largest = std::max(largest, std::abs(expected[i]));
    }
    CHECK(largest > 1e-3);  // the outputs say something
    return difference / largest;
}
template <class Net>
constexpr int norms = [] {
    int count = 0;
    Net::for_each_operation([&]<int I>() { count += detail::is_batch_wide<typename Net::template OperationAt<I>>(); });
    return count;
}();
}  // namespace

// Both sides are sums of a few hundred products in double, in another order: 1e-12 is generous.
TEST_CASE("convolutions and Linear, with and without bias, options kept") {
    using Net = Network<Input<3, 9, 8>, Conv2d<6, 3, NoBias, Stride<2>, Padding<1>>, BatchNorm2d<Epsilon<1e-3>>, ReLU,
                        Named<"conv", Conv2d<4, 3, Groups<2>, SamePadding>>, Named<"bn", BatchNorm2d<NoAffine>>,
                        Flatten, Linear<7, NoBias>, BatchNorm1d<>, ReLU, Linear<3>>;
    static_assert(norms<Net> == 3 && norms<FoldedNetwork<Net>> == 0);
    CHECK(largest_difference<Net>() < 1e-12);
}

TEST_CASE("a BatchNorm that follows something else stays") {
    using Net = Network<Input<3, 6, 6>, BatchNorm2d<>, Conv2d<4, 3>, BatchNorm2d<>, BatchNorm2d<>, ReLU, BatchNorm2d<>,
                        Sequential<Conv2d<4, 1>>, BatchNorm2d<>, Flatten, Linear<3>>;
    static_assert(norms<Net> == 5 && norms<FoldedNetwork<Net>> == 4);
    CHECK(largest_difference<Net>() < 1e-12);
}

TEST_CASE("groups, repetitions and both paths of a residual") {
    using Block = Residual<Main<Conv2d<4, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU,
                                Named<"c", Conv2d<4, 3, Padding<1>, NoBias>>, Named<"b", BatchNorm2d<>>>,
                           Shortcut<Conv2d<4, 1, NoBias>, BatchNorm2d<>>, After<ReLU>>;
    using Net = Network<Input<3, 6, 6>, Sequential<Conv2d<4, 3, Padding<1>>, BatchNorm2d<>, ReLU>,
                        Named<"layers", Repeat<2, Block>>, GlobalAvgPool2d, Linear<3>>;
    static_assert(norms<Net> == 7 && norms<FoldedNetwork<Net>> == 0);
    CHECK(largest_difference<Net>() < 1e-12);
}

TEST_CASE("in branches; what is folded may be folded again") {
    using Net = Network<Input<3, 5, 4>, Conv2d<4, 1>, BatchNorm2d<>,
                        Concat<Branch<BatchNorm2d<>>, Branch<Conv2d<2, 1>, BatchNorm2d<>, BatchNorm2d<>>,
                               Branch<BatchNorm2d<>, Conv2d<3, 3, Padding<1>>>>,
                        BatchNorm2d<>, Flatten, Linear<3>>;
    using Once = FoldedNetwork<Net>;
    static_assert(norms<Net> == 6 && norms<Once> == 4 && norms<FoldedNetwork<Once>> == 3);
    CHECK(largest_difference<Net>() < 1e-12);
    CHECK(largest_difference<Once>() < 1e-12);
    CHECK(largest_difference<FoldedNetwork<Once>>() < 1e-12);
}

// A depthwise convolution and the 1x1 convolution behind it, made band by band in inference: the same bits as one after
// the other, on every tile size, with any number of threads, alone and in company.
#include <doctest/doctest.h>

#include <cstring>
#include <strata/strata.hpp>

using namespace strata;

namespace {

/// ReLU's formula, or none, under a name that no kernel takes.
template <bool relu>
struct Apart {
    static constexpr bool same_in_every_lane = true;
    template <class L>
    static L forward(L x) {
        if constexpr (relu)
            return ReLU::forward(x);
        else
            return x;
    }
};

template <class Net, class Precision>
using Program = detail::TileProgram<Net, Precision, NoLoss>;
/// Steps of inference that bands save.
template <class Net, class Precision = Float32>
constexpr auto saved = Program<Net, Precision>::inference_by_layer.size() - Program<Net, Precision>::inference.size();

template <class T>
bool same_bits(std::span<T const> a, std::span<T const> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

template <class Together, class Separate, class Precision>
void compare_networks() {
    using T = typename Precision::compute;
    static_assert(saved<Together, Precision> == 1 && saved<Separate, Precision> == 0);
    Model<Together, Precision> const model(3);
    Model<Separate, Precision> const separate(3);
    constexpr std::size_t inputs = Together::InputShape::size, outputs = Together::OutputShape::size;
    Random random(5, Purpose::user);
    std::vector<T> x(19 * inputs);
    for (T& v : x) v = static_cast<T>(random.normal());
    Workspace<Separate, Precision> expected;
    Workspace<Together, Precision> one, three(Cpu{.threads = 3, .team_flops = 0}),
        alone(Cpu{.threads = 1, .batch_invariant = true}), company(Cpu{.threads = 1, .batch_invariant = true});
    for (std::size_t const batch : {1u, 2u, 4u, 8u, 19u}) {
        CAPTURE(batch);
        auto const samples = std::span(std::as_const(x)).first(batch * inputs);
        auto const y = separate(samples, expected);
        CHECK(same_bits(model(samples, one), y));
        CHECK(same_bits(model(samples, three), y));
        auto const together = model(samples, company);
        for (std::size_t const k : {std::size_t{0}, batch - 1})
            CHECK(same_bits(model(samples.subspan(k * inputs, inputs), alone), together.subspan(k * outputs, outputs)));
    }
}
template <class X, class Depthwise, class Pointwise, bool relu = true, class Precision = Float32>
void compare() {
    if constexpr (relu)
        compare_networks<Network<X, Depthwise, ReLU, Pointwise, ReLU, Flatten>,
                         Network<X, Depthwise, Apart<true>, Pointwise, ReLU, Flatten>, Precision>();
    else
        compare_networks<Network<X, Depthwise, Pointwise, Flatten>,
                         Network<X, Depthwise, Apart<false>, Pointwise, Flatten>, Precision>();
}

}  // namespace

TEST_CASE("bands have the bits of layer by layer") {
    compare<Input<13, 9, 7>, Conv2d<13, 3, Padding<1>, Groups<13>>, Conv2d<15, 1>>();
    compare<Input<8, 10, 12>, Conv2d<16, 3, Stride<2>, Padding<1>, Groups<8>, NoBias>, Conv2d<7, 1, NoBias>, false>();
    compare<Input<8, 11, 8>, Conv2d<8, Size{2, 7}, Padding<1>, Groups<8>>, Conv2d<9, 1>, true, Float64>();
}
// A tile of 16 samples is wider than a vector, or its rows of all channels under a band are more than a second-level
// cache.
TEST_CASE("wide tiles go layer by layer in one step") {
    using Kernel = DepthwisePointwiseForward<
        InBands<Conv2d<64, 3, Padding<1>, Groups<64>>::On<Shape<64, 5, 80>>, true, Conv2d<8, 1>::On<Shape<64, 5, 80>>>,
        Float32>;
    static_assert(Kernel::band_rows(16) == 0 && Kernel::band_rows(1) > 0);
    compare<Input<64, 5, 80>, Conv2d<64, 3, Padding<1>, Groups<64>>, Conv2d<8, 1>>();
}

TEST_CASE("where there are none") {
    using Depthwise = Conv2d<8, 3, Padding<1>, Groups<8>>;
    using X = Input<8, 6, 6>;
    static_assert(saved<Network<X, Depthwise, ReLU, Depthwise, Conv2d<8, 1>>> == 1);
    static_assert(saved<Network<X, Depthwise, ReLU, Conv2d<8, 1, Stride<2>>>> == 0);
    static_assert(saved<Network<X, Depthwise, BatchNorm2d<>, ReLU, Conv2d<8, 1>>> == 0);
    static_assert(saved<Network<X, Depthwise, Residual<Main<Conv2d<8, 1>>>>> == 0);  // the sum reads it, too
    static_assert(saved<Network<X, Frozen<Depthwise, ReLU, Conv2d<8, 1>>>> == 0);
    static_assert(saved<Network<X, Depthwise, ReLU, Conv2d<8, 1>>, Mixed<bfloat16>> == 0);
    static_assert(saved<Network<X, Concat<Branch<Depthwise, ReLU, Conv2d<8, 1>>, Branch<Conv2d<8, 1>>>>> == 1);
}

TEST_CASE("what is not finite is still named") {
    using Net = Network<Input<8, 6, 6>, Conv2d<8, 3, Padding<1>, Groups<8>>, ReLU, Conv2d<8, 1>, Flatten>;
    for (int const operation : {0, 2}) {
        Model<Net> model(3);
        auto const end = static_cast<std::size_t>(Net::parameter_offset[static_cast<std::size_t>(operation + 1)]);
        model.parameters()[end - 1] = -INFINITY;  // a bias
        std::vector<float> const x(3 * Net::InputShape::size, 1.0f);
        Batch batch;
        batch.size = 3;
        batch.shape = {8, 6, 6};
        batch.inputs = x.data();
        CpuExecutor<Net, Float32, NoLoss> executor(Cpu{.threads = 1}, {});
        CHECK(executor.first_non_finite(model, batch) == operation);
    }
}

TEST_CASE("the description says so") {
    using Net = Network<Input<8, 6, 6>, Conv2d<8, 3, Padding<1>, Groups<8>>, ReLU, Conv2d<8, 1>>;
    auto const text = describe_kernels<Net>();
    CHECK(text.find("inference") < text.find('\n'));
    CHECK(text.find("depthwise and pointwise in bands") < text.find("Conv2d", text.find("Conv2d") + 1));
}

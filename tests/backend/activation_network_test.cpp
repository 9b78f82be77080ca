// labels: plain
// options: -O1
// Activations in networks, behind Linear, Conv2d and BatchNorm: gradients, the same bits for any number of threads and in
// any batch, mixed precision, names.
#include <doctest/doctest.h>

#include <strata/strata.hpp>
#include <strata/testing/gradient_check.hpp>

#include <cmath>
#include <vector>

using namespace strata;

namespace {

using Images = Network<Input<3, 9, 7>, Conv2d<6, 3, Padding<1>>, GELU, Conv2d<5, 3>, BatchNorm2d<>, SiLU,
                       Named<"slopes", PReLU<PerChannel>>, MaxPool2d<2>, Conv2d<8, 1>, Mish, HardSwish, Flatten,
                       Linear<21>, LeakyReLU<0.1>, Linear<4>>;
using Features = Network<Input<11>, Linear<19>, Sigmoid, Linear<17>, Tanh, Linear<16>, GELUTanh, Linear<13>, ELU<>,
                         Residual<Main<Linear<13>, SELU>, After<Softplus>>, Linear<15>, HardSigmoid, Linear<9>,
                         HardTanh<-0.5, 0.5>, Linear<7>, ReLU6, Named<"slope", PReLU<>>, Linear<4>>;

/// Inputs of n samples and their labels.
struct Samples {
    std::vector<float> x;
    std::vector<std::int32_t> labels;
    Samples(int n, int size) : x(static_cast<std::size_t>(n * size)), labels(static_cast<std::size_t>(n)) {
        Random random(3, Purpose::user);
        for (auto& v : x) v = static_cast<float>(random.normal());
        for (auto& l : labels) l = static_cast<std::int32_t>(random.below(4));
    }
};

/// The weights after five steps.
template <class Net, class Precision = Float32>
std::vector<double> trained(int batch, int threads) {
    Samples const samples(batch, Net::InputShape::size);
    auto trainer =
        train<Net>(Cpu{.threads = threads}, Precision{}, SGD{.learning_rate = 0.05, .momentum = 0.9}, Seed{1});
    for (int step = 0; step < 5; ++step) CHECK(trainer.train_step(samples.x, samples.labels).finite);
    auto const weights = trainer.model().parameters();
    return {weights.begin(), weights.end()};
}
double distance(std::vector<double> const& a, std::vector<double> const& b) {
    double off = 0, all = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        off += (a[i] - b[i]) * (a[i] - b[i]);
        all += b[i] * b[i];
    }
    return std::sqrt(off / all);
}

template <class Net, class... MixedToo>
void check_network() {
    for (int const batch : {3, 16, 37}) {
        CAPTURE(batch);
        auto const alone = trained<Net>(batch, 1);
        for (int const threads : {2, 3, 5}) CHECK(trained<Net>(batch, threads) == alone);
        auto const in_double = trained<Net, Float64>(batch, 1);
        // Five steps round at 2^-24, and at 2^-9.
        CHECK(distance(alone, in_double) < 1e-5);
        ([&] { CHECK(distance(trained<Net, MixedToo>(batch, 2), in_double) < 0.05); }(), ...);
    }
}
template <class Net>
void check_company() {
    Samples const samples(19, Net::InputShape::size);
    Model<Net> const model;
    Workspace<Net> workspace(Cpu{.threads = 1, .batch_invariant = true});
    auto const outputs = model(samples.x, workspace);
    std::vector<float> const together(outputs.begin(), outputs.end());
    for (std::size_t i = 0; i < 19; ++i) {
        constexpr auto size = static_cast<std::size_t>(Net::InputShape::size);
        auto const alone = model(std::span(samples.x).subspan(i * size, size), workspace);
        CHECK(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(4 * i)));
    }
}

}  // namespace

TEST_CASE("gradients of networks of activations") {
    CHECK(check_gradients<Images>().error < 1e-6);
    CHECK(check_gradients<Features, 5, 4>().error < 1e-6);
}

TEST_CASE("float, double and mixed precision agree, and threads to the bit") {
    check_network<Images, Mixed<bfloat16>>();
    check_network<Features>();
}

TEST_CASE("what HardTanh has cut off has no gradient, with limits that bfloat16 rounds to any side, too") {
    auto const gradients = [](auto precision, auto layer) {
        using Net = Network<RequiresGrad<Input<4>>, Linear<4, Initialize<ConstantInit<0>>>, decltype(layer)>;
        auto trainer = train<Net>(precision, L1{}, Cpu{.threads = 1});
        auto model = trainer.snapshot();
        for (std::size_t k = 0; k < 20; ++k) model.parameters()[k] = k < 16 && k % 5 == 0 ? 1 : 0;
        trainer.set_model(model);
        trainer.backward(std::vector<float>{2, -2, 0.25f, -0.25f}, std::vector<float>(4, -100));
        auto const dx = trainer.input_gradients();
        return std::vector<float>(dx.begin(), dx.end());
    };
    std::vector<float> const expected{0, 0, 0.25f, 0.25f};
    for (auto const& got :
         {gradients(Mixed<bfloat16>{}, HardTanh<-0.7, 0.7>{}), gradients(Mixed<bfloat16>{}, HardTanh<-0.3, 0.3>{}),
          gradients(Mixed<bfloat16>{}, HardTanh<-1, 1>{}), gradients(Float32{}, HardTanh<-0.7, 0.7>{})})
        CHECK(got == expected);
}

TEST_CASE("a sample's outputs do not depend on the batch") {
    check_company<Images>();
    check_company<Features>();
}

TEST_CASE("names of activations and of PReLU's weights") {
    auto const text = summary<Images>() + summary<Features>();
    for (auto const* name : {"GELU", "SiLU", "PReLU", "Mish", "HardSwish", "LeakyReLU", "Sigmoid", "Tanh", "GELUTanh",
                             "ELU", "SELU", "Softplus", "HardSigmoid", "HardTanh", "ReLU6"})
        CHECK(text.find(name) != std::string::npos);
    Model<Images> const model;
    auto const tensors = model.tensors();
    auto const slopes =
        std::find_if(tensors.begin(), tensors.end(), [](auto const& t) { return t.name == "slopes.weight"; });
    REQUIRE(slopes != tensors.end());
    CHECK(slopes->size() == 5);
    CHECK(*static_cast<float const*>(slopes->data) == 0.25f);
    static_assert(Features::training_plan.in_place[1], "Sigmoid keeps its output: it runs in the place of Linear's");
}

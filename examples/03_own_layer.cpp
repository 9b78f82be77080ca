// Tutorial 3: layers of one's own.
//
//     03_own_layer [DIR]
//
// Layers are written for one sample, over a lane: a SIMD vector of samples in training, a double in the gradient check
// at the end. So bodies are templates, and they choose with select instead of if.
#include <cstdio>
#include <exception>

#include <strata/strata.hpp>
#include <strata/testing/gradient_check.hpp>

using namespace strata;

// An activation is an empty struct with forward(x) and backward(x, y, dy), which gives dx.
// SiLU: y = x s with s = 1 / (1 + exp(-x)); dx = dy s (1 + x (1 - s)).
struct SiLU {
    static constexpr Keep keep = Keep::input;  // backward reads x, not y; without this line both are kept
    static constexpr std::string_view type = "SiLU";

    template <class L>
    static L sigmoid(L x) {
        return L(1) / (L(1) + exp(-x));
    }
    template <class L>
    L forward(L x) const {
        return x * sigmoid(x);
    }
    template <class L>
    L backward(L x, L, L dy) const {
        L const s = sigmoid(x);
        return dy * s * (L(1) + x * (L(1) - s));
    }
};

// A layer is a type with a template On<X>: what it is for an input of shape X. Each body gives one element and gathers
// all that it depends on, so that elements may be computed in any order.
// PReLU with a slope a channel, as torch.nn.PReLU(channels): y = x where x > 0, else slope x.
template <class X>
struct ParametricRectifier {
    using Input = X;
    using Output = X;
    static constexpr int channels = X::template extent<0>, height = X::template extent<1>,
                         width = X::template extent<2>;
    // Name in files, shape, how it starts, fan-in and fan-out (which this start does not look at).
    struct Weight : Parameter<"weight", Shape<channels>, ConstantInit<Real(0.25)>, 1, 1> {};
    using Parameters = ParameterList<Weight>;
    static constexpr Keep keep = Keep::input;  // what backward reads besides dy
    static constexpr double flops = 2.0 * X::size;
    static constexpr std::string_view type = "PReLU";

    template <class Io>
    static auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L const x = io.x(c, h, w), slope = L(io.p(Weight{})(c));
        return select(x > L(0), x, slope * x);
    }
    template <class Io>
    static auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L const dy = io.dy(c, h, w), slope = L(io.p(Weight{})(c));
        return select(io.x(c, h, w) > L(0), dy, slope * dy);
    }
    // The sum over the pixels of one channel; the sum over the samples is not ours.
    template <class Io>
    static auto parameter_gradient(Weight, Position<1> at, Io const& io) {
        using L = typename Io::L;
        L sum = L(0);
        for (int h = 0; h < height; ++h)
            for (int w = 0; w < width; ++w) {
                L const x = io.x(at[0], h, w);
                sum = sum + select(x > L(0), L(0), x * io.dy(at[0], h, w));
            }
        return sum;
    }
};
struct PReLU {
    template <class X>
    using On = ParametricRectifier<X>;
};

// They go into a network like any other layer, named or not.
using Classifier = Network<Input<1, 28, 28>, Conv2d<8, 3, Stride<2>>, Named<"slope", PReLU>, MaxPool2d<2>, Flatten,
                           Linear<64>, SiLU, Linear<10>>;

int main(int argument_count, char** arguments) try {
    // Gradients by hand deserve a check: against differences of the loss, in double.
    auto const check = check_gradients<Network<Input<2, 5, 4>, PReLU, Flatten, Linear<6>, SiLU, Linear<3>>>();
    std::printf("gradient check of %d numbers: the worst error is %.1e, at %s\n\n", check.elements, check.error,
                check.where.c_str());
    if (check.error > 1e-6) fail("the gradients of SiLU or PReLU are wrong");

    auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();
    std::puts(summary<Classifier>().c_str());
    auto trainer = train<Classifier>(Adam{.learning_rate = 2e-3});
    trainer.fit(data.train.first(12'000), data.test.first(2'000), {.epochs = 3});

    for (auto const& tensor : trainer.model().tensors())
        if (tensor.name == "slope.weight") {
            std::printf("learned slopes:");
            for (std::size_t c = 0; c < tensor.size(); ++c)
                std::printf(" %.3f", static_cast<double>(static_cast<float const*>(tensor.data)[c]));
            std::puts("");
        }
} catch (std::exception const& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}

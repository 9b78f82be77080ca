// Tutorial 3: layers, losses and optimizers of one's own.
//
//     03_own_layer [DIR]
//
// Layers are written for one sample, over a lane: a SIMD vector of samples in training, a double in the gradient check
// at the end, one number on a GPU. So bodies are templates, and they choose with select instead of if. STRATA_HD lets
// them run on GPUs: it stands before every body and before every function that a body calls. (On the CPU it means
// nothing. nvcc refuses bodies without it, but does not see it missing further down.)
#include <cstdio>
#include <exception>

#include <strata/strata.hpp>
#include <strata/testing/gradient_check.hpp>

using namespace strata;

// An activation is an empty struct with forward(x); its numbers are template arguments. The gradient follows from forward.
// Who knows a faster formula adds backward(x, y, dy), which gives dx, and says in `keep` which of x and y it reads.
// Snake (Ziyin et al., arXiv:2006.08195): y = x + sin(a x)^2 / a.
template <Real Frequency>
struct Snake {
    static constexpr std::string_view type = "Snake";

    template <class L>
    STRATA_HD L forward(L x) const {
        constexpr auto a = static_cast<scalar_of<L>>(Frequency.value);
        L const wave = sin(x * a);
        return x + wave * wave / a;
    }
};

// A layer is a type with a template On<X>: what it is for an input of shape X. Each body gives one element and gathers
// all that it depends on, so that elements may be computed in any order.
// y = x where x > 0, else slope x, with a slope a channel, which is what PReLU<PerChannel> does.
template <class X>
struct ParametricRectifier {
    using Input = X;
    using Output = X;
    static constexpr int channels = X::template extent<0>, height = X::template extent<1>,
                         width = X::template extent<2>;
    // Name in files, shape, how it starts, fan-in and fan-out (which this start does not look at).
    struct Weight : Parameter<"weight", Shape<channels>, ConstantInit<Real(0.25)>, 1, 1> {};
    using Parameters = ParameterList<Weight>;
    // These three have defaults: both x and y are kept, two operations an output element, "layer".
    static constexpr Keep keep = Keep::input;  // what backward reads besides dy
    static constexpr double flops = 2.0 * X::size;
    static constexpr std::string_view type = "LearnedSlopes";

    template <class Io>
    STRATA_HD static auto forward(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L const x = io.x(c, h, w), slope = L(io.p(Weight{})(c));
        return select(x > L(0), x, slope * x);
    }
    template <class Io>
    STRATA_HD static auto input_gradient(Position<3> at, Io const& io) {
        using L = typename Io::L;
        auto const [c, h, w] = at;
        L const dy = io.dy(c, h, w), slope = L(io.p(Weight{})(c));
        return select(io.x(c, h, w) > L(0), dy, slope * dy);
    }
    // The sum over the pixels of one channel; the sum over the samples is not ours.
    template <class Io>
    STRATA_HD static auto parameter_gradient(Weight, Position<1> at, Io const& io) {
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
struct LearnedSlopes {
    template <class X>
    using On = ParametricRectifier<X>;
};

// A loss is a policy: the loss of one sample's row of K outputs and, where io.dx is there, its gradient times io.scale.
// Squared hinge, each class against the rest: the sum over k of max(0, 1 - s x(k))^2, s = 1 for the label, else -1.
struct SquaredHinge {
    using policy = LossPolicy;
    static constexpr bool classifies = true;  // it reads io.label; else io.target[k], a number for each output

    template <int K, class Io>
    STRATA_HD auto operator()(Io const& io) const {
        using L = typename Io::L;
        L total = L(0);
        for (int k = 0; k < K; ++k) {
            L const sign = select(io.label == L(k), L(1), L(-1));
            L const gap = maximum(L(1) - sign * io.x[k], L(0));
            total = multiply_add(gap, gap, total);
            if (io.dx.data) io.dx.set(k, L(-2) * sign * gap * io.scale);
        }
        return total;
    }
};

// An optimizer is a policy that prepares, for each step, the update of one parameter.
// Signum (Bernstein et al., arXiv:1802.04434, algorithm 2): m = beta m + (1 - beta) g, w = w - rate sign(m).
struct Signum {
    using policy = OptimizerPolicy;
    static constexpr int states = 1;               // numbers kept for a parameter: m; without this line none
    static constexpr char const* name = "Signum";  // in checkpoints
    double learning_rate = 1e-4, beta = 0.9;

    template <class T>
    struct Update {
        T rate, beta;
        template <class L>
        STRATA_HD void operator()(L& w, L gradient, L (&state)[1]) const {
            L const m = multiply_add(L(beta), state[0], L(1 - beta) * gradient);
            w = w - select(m > L(0), L(rate), select(m < L(0), L(-rate), L(0)));
            state[0] = m;
        }
    };
    // A schedule may have said another learning rate than ours.
    template <class T>
    Update<T> prepare(OptimizerStep const& step) const {
        return {static_cast<T>(step.learning_rate), static_cast<T>(beta)};
    }
};

// They go into a network or a training like any others.
using Classifier = Network<Input<1, 28, 28>, Conv2d<8, 3, Stride<2>>, Named<"slope", LearnedSlopes>, MaxPool2d<2>,
                           Flatten, Linear<64>, Snake<0.5>, Linear<10>>;

int main(int argument_count, char** arguments) try {
    // Gradients by hand deserve a check: against differences of the loss, in double. It also looks at what bodies read
    // in evaluation. The loss is checked on the way.
    auto const check =
        check_gradients<Network<Input<2, 5, 4>, LearnedSlopes, Flatten, Linear<6>, Snake<0.5>, Linear<3>>>(
            SquaredHinge{});
    std::printf("gradient check of %d numbers: the worst error is %.1e, at %s\n\n", check.elements, check.error,
                check.where.c_str());
    if (check.error > 1e-6) fail("the gradients of Snake, LearnedSlopes or SquaredHinge are wrong");

    auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();
    std::puts(summary<Classifier>().c_str());
    auto trainer = train<Classifier>(SquaredHinge{}, Signum{.learning_rate = 5e-4});
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

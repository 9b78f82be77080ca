// Networks of every kind of layer, and a check that a sample's outputs do not depend on the batch that it comes in.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include <doctest/doctest.h>

#include "strata/backend/cpu/run/workspace.hpp"
#include "strata/layer/avg_pool2d.hpp"
#include "strata/layer/batch_norm.hpp"
#include "strata/layer/conv2d.hpp"
#include "strata/layer/dropout.hpp"
#include "strata/layer/flatten.hpp"
#include "strata/layer/global_avg_pool2d.hpp"
#include "strata/layer/linear.hpp"
#include "strata/layer/max_pool2d.hpp"
#include "strata/layer/norm/group_norm.hpp"
#include "strata/layer/norm/layer_norm2d.hpp"
#include "strata/layer/norm/rms_norm.hpp"
#include "strata/layer/relu.hpp"
#include "strata/layer/softmax.hpp"
#include "strata/layer/zero_pad_shortcut.hpp"
#include "strata/network/fold_batch_norm.hpp"
#include "strata/precision/mixed.hpp"

namespace strata::company {

// ---- one's own layers: products that a compiler may fuse into additions, exp, log, tanh ----------------------------

struct Softplus {
    template <class L>
    static L forward(L x) {
        return log(L(1) + exp(x)) * L(0.7) + x * L(0.3);
    }
    template <class L>
    static L backward(L x, L, L dy) {
        return dy / (L(1) + exp(-x));
    }
};
struct Gate {
    template <class L>
    static L forward(L x) {
        return x * tanh(x * x + L(0.3) * x) + L(0.25) * x;
    }
    template <class L>
    static L backward(L, L, L dy) {
        return dy;
    }
};
/// y(i) = scale(i) x(i) + sum over the neighbours j of x(j) x(i) / (1 + exp(-x(j))).
struct Mix {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        struct Scale : Parameter<"scale", X, KaimingUniform, 1, 1> {};
        using Parameters = ParameterList<Scale>;
        static constexpr Keep keep = Keep::input;
        static constexpr double flops = 3.0 * X::size;
        static constexpr std::string_view type = "Mix";
        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            using L = typename Io::L;
            L sum = io.x(at[0]) * L(io.p(Scale{})(at[0]));
            for (int i = std::max(0, at[0] - 3); i < std::min(X::size, at[0] + 3); ++i)
                sum = sum + io.x(i) * io.x(at[0]) / (L(1) + exp(-io.x(i)));
            return sum;
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy(at[0]);
        }
        template <class P, class Io>
        static auto parameter_gradient(P, Position<1> at, Io const& io) {
            return io.dy(at[0]);
        }
    };
    template <class Where, class Got>
    struct Check {
        static constexpr bool ok = true;
        struct Message {};
    };
};

// ---- networks ------------------------------------------------------------------------------------------------------

using LeNet = Network<Input<3, 32, 32>, Conv2d<6, 5>, ReLU, MaxPool2d<2>, Conv2d<16, 5>, ReLU, MaxPool2d<2>, Flatten,
                      Linear<120>, ReLU, Linear<84>, ReLU, Linear<10>>;

template <int Channels, int Step, class... Short>
using Block = Residual<Main<Conv2d<Channels, 3, Stride<Step>, Padding<1>, NoBias>, BatchNorm2d<>, ReLU,
                            Conv2d<Channels, 3, Padding<1>, NoBias>, BatchNorm2d<>>,
                       Short..., After<ReLU>>;
/// Winograd of both sizes and direct convolution, by tile and layer.
using ResNet =
    Network<Input<3, 16, 16>, Conv2d<16, 3, Padding<1>, NoBias>, BatchNorm2d<>, ReLU, Block<16, 1>,
            Block<32, 2, ZeroPadShortcut>, Block<64, 2, Shortcut<Conv2d<64, 1, Stride<2>, NoBias>, BatchNorm2d<>>>,
            AvgPool2d<4>, Flatten, Linear<10>>;

template <int In, int Out>
using Separable = Sequential<Conv2d<In, 3, Stride<(Out > In ? 2 : 1)>, Padding<1>, Groups<In>, NoBias>, BatchNorm2d<>,
                             ReLU, Conv2d<Out, 1>, BatchNorm2d<>, ReLU>;
using SeparableNet = Network<Input<3, 18, 18>, Conv2d<12, 3, Stride<2>, Padding<1>>, BatchNorm2d<>, ReLU,
                             Separable<12, 24>, Separable<24, 24>, Conv2d<24, 5, Padding<2>, Groups<24>>,
                             MaxPool2d<3, Stride<2>, Padding<1>>, Flatten, Linear<7>>;

/// Sizes that are no whole vectors, and one's own activations on the way.
using Mlp = Network<Input<53>, Linear<131>, BatchNorm1d<>, ReLU, Linear<67>, Softplus, Dropout<0.5>, Linear<30, NoBias>,
                    Gate, Mix, Linear<3>>;

/// What the others leave out: overlapping and padded pools, dilation, groups, wide and even kernels, odd strides.
using Kinds =
    Network<Input<4, 23, 21>, Conv2d<8, 4, Stride<1>, Padding<2>, Groups<2>>, Softplus,
            AvgPool2d<3, Stride<2>, Padding<1>, ExcludePadding>, Conv2d<9, 3, Dilation<2>, Padding<2>>, ReLU,
            AvgPool2d<2, Stride<1>>, GroupNorm<3>, Conv2d<12, Size{3, 5}, Padding<1>>, Gate, MaxPool2d<3, Stride<1>>,
            LayerNorm2d<>, Conv2d<10, 2, Stride<3>>, Softmax, Flatten, RMSNorm<>, Linear<5>>;

using Average = Network<Input<3, 21, 21>, GlobalAvgPool2d, Linear<4>>;

// ---- the check -----------------------------------------------------------------------------------------------------

template <class T>
std::vector<T> numbers(std::size_t count, std::uint64_t seed) {
    Random random(seed, Purpose::user);
    std::vector<T> values(count);
    for (T& v : values) v = static_cast<T>(random.normal());
    return values;
}

/// A model none of whose numbers is 0 or 1.
template <class Net, class Precision>
Model<Net, Precision> model_of(std::uint64_t seed) {
    Model<Net, Precision> model(seed);
    Random random(seed, Purpose::user);
    for (auto& v : model.buffers()) v = static_cast<typename Precision::master>(0.05 + 0.1 * std::abs(random.normal()));
    for (auto& v : model.parameters()) v += static_cast<typename Precision::master>(0.05 * random.normal());
    return model;
}

/// How many samples of all batches have other bits than alone, and whether they come near.
struct Differences {
    int samples = 0;
    double largest = 0;
};

inline constexpr std::initializer_list<std::size_t> batches = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100};

template <class Net, class Precision>
Differences differences(Model<Net, Precision> const& model, Cpu cpu,
                        std::initializer_list<std::size_t> sizes = batches) {
    using T = typename Precision::compute;
    constexpr auto size = static_cast<std::size_t>(Net::InputShape::size),
                   outputs = static_cast<std::size_t>(Net::OutputShape::size);
    std::size_t const most = std::max(sizes);
    auto const x = numbers<T>(most * size, 3);
    std::span<T const> const all(x);
    std::vector<T> alone;
    Cpu single = cpu;
    single.threads = 1;
    Workspace<Net, Precision> one(single), any(cpu);
    for (std::size_t s = 0; s < most; ++s) {
        auto const y = model(all.subspan(s * size, size), one);
        alone.insert(alone.end(), y.begin(), y.end());
    }
    Differences found;
    for (std::size_t const n : sizes)
        for (std::size_t const first : {std::size_t{0}, (most - n) / 2, most - n}) {  // at several places
            auto const y = model(all.subspan(first * size, n * size), any);
            for (std::size_t s = 0; s < n; ++s) {
                T const *const got = y.data() + s * outputs, *const expected = alone.data() + (first + s) * outputs;
                found.samples += std::memcmp(got, expected, outputs * sizeof(T)) != 0;
                for (std::size_t k = 0; k < outputs; ++k)
                    found.largest = std::max(found.largest, static_cast<double>(std::abs(got[k] - expected[k])));
            }
        }
    return found;
}

/// One thread and all batches, more threads and some.
template <class Net, class Precision>
void check_alone() {
    auto const model = model_of<Net, Precision>(7);
    CHECK(differences(model, Cpu{.threads = 1, .batch_invariant = true}).samples == 0);
    for (int const threads : {2, 3, 4}) {
        CAPTURE(threads);
        for (double const team_flops : {0.0, Cpu{}.team_flops})
            CHECK(
                differences(model, Cpu{.threads = threads, .team_flops = team_flops, .batch_invariant = true}, {2, 33})
                    .samples == 0);
    }
}

}  // namespace strata::company

// How parameters start. Each scheme fills one tensor from a random stream of its own (seed, initialization, tensor).
//
// Sources: He et al. 2015 (Kaiming), Glorot and Bengio 2010 (Xavier), PyTorch's torch.nn.init for names and gains.
#pragma once

#include <cmath>
#include <span>
#include <type_traits>

#include "random.hpp"

namespace strata::inline STRATA_ABI {

/// A real number as a template argument, `Dropout<0.3>`: clang 14 takes doubles only inside a class.
struct Real {
    double value;
    constexpr Real(double v) : value(v) {}  // NOLINT: stands for the number
    template <class Integer>
    requires std::is_integral_v<Integer>
    constexpr Real(Integer v) : value(static_cast<double>(v)) {}  // NOLINT: the same, `ELU<1>`
};

/// Fan of a tensor: how many inputs feed one output, and how many outputs one input feeds.
struct Fan {
    int in, out;
};

/// PyTorch's default of Conv2d and Linear: Kaiming uniform with a = sqrt(5), that is U(-1/sqrt(fan_in),
/// 1/sqrt(fan_in)). Biases start the same way.
struct KaimingUniform {
    template <class T>
    [[gnu::noinline]] static void fill(std::span<T> values, Fan fan, Random& random) {
        double const bound = 1.0 / std::sqrt(fan.in);
        for (T& v : values) v = static_cast<T>(random.uniform(-bound, bound));
    }
};
/// N(0, 2 / fan_out): He et al.'s choice for ReLU networks (PyTorch: kaiming_normal_, mode fan_out).
struct KaimingNormal {
    template <class T>
    [[gnu::noinline]] static void fill(std::span<T> values, Fan fan, Random& random) {
        double const deviation = std::sqrt(2.0 / fan.out);
        for (T& v : values) v = static_cast<T>(deviation * random.normal());
    }
};
/// U(-b, b) with b = sqrt(6 / (fan_in + fan_out)).
struct XavierUniform {
    template <class T>
    [[gnu::noinline]] static void fill(std::span<T> values, Fan fan, Random& random) {
        double const bound = std::sqrt(6.0 / (fan.in + fan.out));
        for (T& v : values) v = static_cast<T>(random.uniform(-bound, bound));
    }
};
/// N(0, 2 / (fan_in + fan_out)).
struct XavierNormal {
    template <class T>
    [[gnu::noinline]] static void fill(std::span<T> values, Fan fan, Random& random) {
        double const deviation = std::sqrt(2.0 / (fan.in + fan.out));
        for (T& v : values) v = static_cast<T>(deviation * random.normal());
    }
};
/// N(0, Deviation squared).
template <Real Deviation>
struct NormalInit {
    template <class T>
    [[gnu::noinline]] static void fill(std::span<T> values, Fan, Random& random) {
        for (T& v : values) v = static_cast<T>(Deviation.value * random.normal());
    }
};
/// The same number everywhere.
template <Real Value>
struct ConstantInit {
    template <class T>
    [[gnu::noinline]] static void fill(std::span<T> values, Fan, Random&) {
        for (T& v : values) v = static_cast<T>(Value.value);
    }
};
using Zeros = ConstantInit<Real(0.0)>;
using Ones = ConstantInit<Real(1.0)>;

}  // namespace strata::inline STRATA_ABI

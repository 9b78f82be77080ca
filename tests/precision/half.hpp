// IEEE 754 binary16 as a storage type for tests: emulated number by number, with the narrow range for which loss
// scaling exists.
#pragma once

#include "strata/core/lane.hpp"
#include "strata/io/convert.hpp"

namespace strata::test {

struct Half {
    std::uint16_t bits;
    Half() = default;
    template <class T>
    requires std::is_arithmetic_v<T>
    explicit Half(T value) : bits(float16_bits(static_cast<double>(value))) {}
    operator float() const { return float16_value(bits); }
};

template <class L>
L load_lane(Half const* from) {
    constexpr int N = width_of<L>;
    float values[static_cast<std::size_t>(N)];
    for (int k = 0; k < N; ++k) values[k] = from[k];
    return strata::load_lane<L>(static_cast<float const*>(values));
}
template <class L>
void store_lane(Half* to, L lane) {
    constexpr int N = width_of<L>;
    float values[static_cast<std::size_t>(N)];
    strata::store_lane(static_cast<float*>(values), lane);
    for (int k = 0; k < N; ++k) to[k] = Half(values[k]);
}

}  // namespace strata::test

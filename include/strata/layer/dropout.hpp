// Dropout: in training each element is zeroed with probability p and the others are scaled by 1 / (1 - p); in
// evaluation the identity, as torch.nn.Dropout.
//
//   keep(e) = [uniform(seed, op, step, sample, e) >= p]
//   y(e)    = keep(e) x(e) / (1 - p),   dx(e) = keep(e) dy(e) / (1 - p)
//
// The mask is a function of its key and is computed again in backward: nothing is kept. One Philox block serves four
// neighbouring elements. Source: Srivastava et al., JMLR 15, 2014.
#pragma once

#include "../core/operation.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

namespace detail {
/// Four Philox words for each of N neighbouring samples; plain loops that compilers vectorise.
template <int N>
STRATA_HD inline void philox_words(std::uint32_t (&out)[4][N], RandomKey key, std::uint32_t block, int sample) {
    std::uint32_t const purpose = static_cast<std::uint32_t>(Purpose::dropout) | key.operation << 8;
    auto k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
    for (int s = 0; s < N; ++s) {
        out[0][s] = block;
        out[1][s] = purpose;
        out[2][s] = key.step;
        out[3][s] = static_cast<std::uint32_t>(sample + s);
    }
    for (int round = 0; round < 10; ++round) {
        for (int s = 0; s < N; ++s) {
            std::uint64_t const a = std::uint64_t{0xD2511F53u} * out[0][s], b = std::uint64_t{0xCD9E8D57u} * out[2][s];
            out[0][s] = static_cast<std::uint32_t>(b >> 32) ^ out[1][s] ^ k0;
            out[2][s] = static_cast<std::uint32_t>(a >> 32) ^ out[3][s] ^ k1;
            out[1][s] = static_cast<std::uint32_t>(b);
            out[3][s] = static_cast<std::uint32_t>(a);
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}
}  // namespace detail

/// Dropout bound to a shape. Bodies give four neighbouring elements at once.
template <class X, Real P>
struct DropoutOperation {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    using IsTrainingOnly = void;
    static constexpr int block = 4;
    static constexpr Keep keep = Keep::nothing;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "Dropout";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<1> at, Io const& io) {
        return masked(at[0], io, io.x);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<1> at, Io const& io) {
        return masked(at[0], io, io.dy);
    }

private:
    template <class Io, class V>
    STRATA_HD static STRATA_INLINE auto masked(int group, Io const& io, V const& from) {
        using L = typename Io::L;
        using T = scalar_of<L>;
        constexpr int n = width_of<L>;
        std::uint32_t words[4][n];
        detail::philox_words<n>(words, io.random, static_cast<std::uint32_t>(group), io.sample);
        std::array<L, 4> result;
        for (int k = 0; k < 4; ++k) {
            T uniform[n];
            for (int s = 0; s < n; ++s) uniform[s] = static_cast<T>(uniform_float(words[k][s]));
            int const element = 4 * group + k;
            L const value = element < X::size ? from[element] : L(0);
            result[static_cast<std::size_t>(k)] = select(load_lane<L>(uniform) < L(static_cast<T>(P.value)), L(0),
                                                         value * L(static_cast<T>(1.0 / (1.0 - P.value))));
        }
        return result;
    }
};

/// `Dropout<p>`, p in [0, 1).
template <Real P = 0.5>
struct Dropout {
    template <class X>
    using On = DropoutOperation<X, P>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool ok = P.value >= 0 && P.value < 1;
        struct Message {
            static_assert(ok, "Dropout: the probability must be at least 0 and below 1");
        };
    };
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop

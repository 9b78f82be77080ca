// Dropout2d: in training each channel is zeroed as a whole with probability p and the others are scaled by 1 / (1 - p); in
// evaluation the identity, as torch.nn.Dropout2d.
//
//   keep(c)    = [uniform(seed, op, step, sample, c) >= p]
//   y(c, h, w) = keep(c) x(c, h, w) / (1 - p),   dx(c, h, w) = keep(c) dy(c, h, w) / (1 - p)
//
// The words are Dropout's, the channel being the element. Source: Tompson et al., "Efficient object localization using
// convolutional networks", CVPR 2015.
#pragma once

#include "dropout.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // g++ 12: for an array of N numbers, N an int

namespace strata::inline STRATA_ABI {

/// Dropout2d bound to its input.
template <class X, Real P>
struct ChannelDropout {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    using IsTrainingOnly = void;
    static constexpr Real probability = P;
    static constexpr Keep keep = Keep::nothing;
    static constexpr double flops = X::size;
    static constexpr std::string_view type = "Dropout2d";

    template <class Io>
    STRATA_HD static STRATA_INLINE auto forward(Position<3> at, Io const& io) {
        return masked(at, io, io.x);
    }
    template <class Io>
    STRATA_HD static STRATA_INLINE auto input_gradient(Position<3> at, Io const& io) {
        return masked(at, io, io.dy);
    }

private:
    template <class Io, class V>
    STRATA_HD static STRATA_INLINE auto masked(Position<3> at, Io const& io, V const& from) {
        using L = typename Io::L;
        using T = scalar_of<L>;
        constexpr int n = width_of<L>;
        std::uint32_t words[4][n];
        detail::philox_words<n>(words, io.random, static_cast<std::uint32_t>(at[0] / 4), io.sample);
        T uniform[n];
        for (int s = 0; s < n; ++s) uniform[s] = static_cast<T>(uniform_float(words[at[0] % 4][s]));
        L const value = from(at[0], at[1], at[2]);
        return select(load_lane<L>(uniform) < L(static_cast<T>(P.value)), L(0),
                      value * L(static_cast<T>(1.0 / (1.0 - P.value))));
    }
};

/// `Dropout2d<p>`, p in [0, 1).
template <Real P = 0.5>
struct Dropout2d {
    template <class X>
    using On = ChannelDropout<X, P>;

    template <class Where, class Got>
    struct Check {
        static constexpr bool probability = P.value >= 0 && P.value < 1;
        static constexpr bool image = Got::type::rank == 3;
        static constexpr bool ok = probability && image;
        struct Message {
            static_assert(probability, "Dropout2d: the probability must be at least 0 and below 1");
            static_assert(image, "Dropout2d needs an image [C][H][W]: use Dropout behind Flatten or Linear");
        };
    };
};

}  // namespace strata::inline STRATA_ABI

#pragma GCC diagnostic pop

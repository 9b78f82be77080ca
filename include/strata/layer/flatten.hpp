// Flatten: [C][H][W] seen as [C H W], as torch.nn.Flatten. A view: no memory moves, forward or backward.
#pragma once

#include "../core/operation.hpp"

namespace strata::inline STRATA_ABI {

struct Flatten {
    template <class X>
    struct On {
        using Input = X;
        using Output = Shape<X::size>;
        using Parameters = NoParameters;
        using IsView = void;
        static constexpr Keep keep = Keep::nothing;
        static constexpr double flops = 0;
        static constexpr std::string_view type = "Flatten";
    };

    template <class Where, class Got>
    struct Check {
        static constexpr bool ok = Got::type::size < std::ptrdiff_t{1} << 31;
        struct Message {
            static_assert(ok, "Flatten: a sample has more than 2^31 - 1 numbers");
        };
    };
};

}  // namespace strata::inline STRATA_ABI

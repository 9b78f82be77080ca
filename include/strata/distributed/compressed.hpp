// Compressed: the policy that sends gradients in a code.
#pragma once

#include "gradient_code.hpp"

namespace strata::inline STRATA_ABI {

/// Gradients go to the ranks that own them, and what these make of them back, in a code. A batch is worked on in
/// `shards`, each with error feedback of its own, whatever the number of ranks: so results have the same bits on any
/// number of ranks.
template <GradientCode Code>
struct Compressed {
    Code code = {};
    int shards = 8;

    /// Throws Error where an option makes no sense.
    STRATA_COLD void check() const {
        if (shards < 1 || shards > 64) fail("Compressed: shards is ", shards, ", expected 1 to 64");
        code.check();
    }
    /// In what the sums of a step's codes come back: a code may say that, and leaves its momentum behind.
    [[nodiscard]] constexpr auto back(Code const& of_step) const {
        if constexpr (requires { of_step.back(shards); })
            return of_step.back(shards);
        else
            return of_step;
    }
    [[nodiscard]] STRATA_COLD std::string text() const { return concatenate(code.text(), ", shards ", shards); }
};
// clang++ 14 does not find them itself.
template <GradientCode Code>
Compressed(Code) -> Compressed<Code>;
template <GradientCode Code>
Compressed(Code, int) -> Compressed<Code>;

}  // namespace strata::inline STRATA_ABI

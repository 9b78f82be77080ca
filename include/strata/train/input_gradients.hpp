// The gradient of the loss with respect to a batch.
#pragma once

#include <span>
#include <type_traits>

#include "../backend/backend.hpp"
#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// What a trainer says of the samples' gradients.
template <class Trainer, class Net>
class InputGradients {
public:
    /// dLoss/dx of the last pass (backward, train_step), as PyTorch's x.grad: [batch][sample], of the numbers that the
    /// network sees; valid until the next pass. For networks that begin with RequiresGrad<Input<…>>. Throws Error before
    /// the first pass.
    [[nodiscard]] auto input_gradients() const {
        static_assert(Net::has_input_gradient,
                      "input_gradients: this network keeps none, begin it with RequiresGrad<Input<...>>");
        auto const& executor = static_cast<Trainer const*>(this)->executor();
        static_assert(GivesInputGradients<std::remove_cvref_t<decltype(executor)>>,
                      "input_gradients: this training's backend does not give them");
        auto const all = executor.input_gradients();
        if (all.empty()) fail("input_gradients: there are none, call backward first");
        return all;
    }
};

}  // namespace strata::inline STRATA_ABI

// gradients: the gradients of the last training step as Eigen matrices of constant size.
#pragma once

#include <span>

#include "../core/error.hpp"
#include "tensor_map.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
template <FixedString Name, class Source, class T>
auto gradients_of(std::span<T> all) {
    using Tensor = NamedTensor<typename Source::ModelType::Network, Name, false>;
    static_assert(Tensor::known,
                  "gradients<name>(trainer): the network has no parameter of that name; names are as in files and in "
                  "model.tensors(): \"fc1.weight\", \"0.bias\" for a layer without a name");
    if (!all.data()) fail("gradients: there has been no training step yet");
    return Tensor::map(all.data(), all.data());
}
}  // namespace detail

/// The gradient of a parameter by its name in files, without a copy, shaped as weights<Name>: of a trainer or executor on
/// the CPU that is const, the gradient as the last pass or step left it. Valid until the next one. Throws Error before
/// the first.
template <FixedString Name, class Source>
[[nodiscard]] auto gradients(Source const& source) {
    if constexpr (requires { source.executor(); })
        return detail::gradients_of<Name, Source>(source.executor().gradient());
    else
        return detail::gradients_of<Name, Source>(source.gradient());
}
/// The same of Trainer::gradients(), to be read or changed between backward() and update(). Throws Error elsewhere.
template <FixedString Name, class Trainer>
requires requires(Trainer& trainer) { trainer.gradients(); }
[[nodiscard]] auto gradients(Trainer& trainer) {
    return detail::gradients_of<Name, Trainer>(trainer.gradients());
}

}  // namespace strata::inline STRATA_ABI

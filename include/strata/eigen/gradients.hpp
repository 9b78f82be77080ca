// gradients: the gradients of the last training step as Eigen matrices of constant size.
#pragma once

#include "../core/error.hpp"
#include "tensor_map.hpp"

namespace strata::inline STRATA_ABI {

/// The gradient of a parameter by its name in files, without a copy: of the mean loss of the last training step of a
/// trainer or executor on the CPU. Shaped as weights<Name>; valid until the next step. Throws Error before the first.
template <FixedString Name, class Source>
[[nodiscard]] auto gradients(Source const& source) {
    using Tensor = detail::NamedTensor<typename Source::ModelType::Network, Name, false>;
    static_assert(Tensor::known,
                  "gradients<name>(trainer): the network has no parameter of that name; names are as in files and in "
                  "model.tensors(): \"fc1.weight\", \"0.bias\" for a layer without a name");
    auto const all = [&] {
        if constexpr (requires { source.executor().gradient(); })
            return source.executor().gradient();
        else
            return source.gradient();
    }();
    if (!all.data()) fail("gradients: there has been no training step yet");
    return Tensor::map(all.data(), all.data());
}

}  // namespace strata::inline STRATA_ABI

// How a Frozen expands: as its layers do, with the operations frozen.
#pragma once

#include "expand.hpp"
#include "frozen_operation.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class P>
struct FrozenFragment {
    using Contents = P;
    using Output = typename P::Output;
    using Misuse = typename P::Misuse;
    static constexpr int count = P::count, indices = P::indices, split = -2;
    static constexpr int write(OpListWriter& to, LayerPath at, int entry) {
        int const first = to.operations, made = P::write(to, at, entry);
        if (to.rows != nullptr)
            for (int i = first; i < to.operations; ++i) to.rows[i] = frozen_row(to.rows[i]);
        return made;
    }
};
template <int Index, class P>
struct OperationIn<Index, P, 3> {
    using type = frozen_operation<typename OperationIn<Index, typename P::Contents>::type>;
};

template <class... Layers, class X>
struct Fragment<Frozen<Layers...>, X> : FrozenFragment<All<List<Layers...>, X>> {};

}  // namespace strata::inline STRATA_ABI::detail

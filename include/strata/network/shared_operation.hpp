// The operation of a later use of Shared layers: it has no parameters and buffers of its own.
//
// So they are counted, updated, saved and exchanged once, and what does that need not know why. Kernels are those of the
// operation itself, and the op list says whose parameters they work with (OperationRow::owner).
#pragma once

#include "frozen_operation.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class Op>
struct LaterUse : Op {
    using KernelOperation = kernel_operation<Op>;
    using IsLaterUse = void;
    using Parameters = NoParameters;
    using Buffers = NoParameters;
};
template <class Op>
inline constexpr bool is_later_use = requires { typename Op::IsLaterUse; };

/// An operation as it stands in a network.
template <class Op, bool Later>
struct UseOf {
    using type = Op;
};
template <class Op>
struct UseOf<Op, true> {
    using type = LaterUse<Op>;
};

/// The parameters whose gradient an operation makes: its own, or those that it shares.
template <class Op>
struct TrainedParameters {
    using type = typename Op::Parameters;
};
template <class Op>
requires(is_later_use<Op> && !is_frozen<Op>)
struct TrainedParameters<Op> {
    using type = typename kernel_operation<Op>::Parameters;
};
template <class Op>
using trained_parameters = typename TrainedParameters<Op>::type;

/// False where Frozen layers of a first use are trained in a later one, or the other way round.
template <std::size_t N>
constexpr bool frozen_alike(std::array<OperationRow, N> const& rows) {
    for (auto const& row : rows)
        if (row.owner >= 0 && rows[static_cast<std::size_t>(row.owner)].is_frozen != row.is_frozen) return false;
    return true;
}

/// True where a BatchNorm of training stands between two uses of parameters, or is used twice itself: the passes between
/// two reductions over the batch have sums of their own, and a gradient is one of them.
template <std::size_t N>
constexpr bool shared_over_batch(std::array<OperationRow, N> const& rows) {
    for (std::size_t i = 0; i < N; ++i)
        if (rows[i].owner >= 0 && !rows[i].is_frozen)
            for (auto k = static_cast<std::size_t>(rows[i].owner); k <= i; ++k)
                if (rows[k].is_batch_wide) return true;
    return false;
}

}  // namespace strata::inline STRATA_ABI::detail

// The operation of a layer that is not trained (Frozen): its parameters are buffers, and it works as in evaluation.
//
// So there is no gradient of them, no optimizer state and nothing to update or to exchange, and what reads the op list
// need not know why. Kernels are those of the operation itself.
#pragma once

#include "op_list.hpp"

namespace strata::inline STRATA_ABI::detail {

template <class... Lists>
struct JoinedLists;
template <class... As, class... Bs>
struct JoinedLists<ParameterList<As...>, ParameterList<Bs...>> {
    using type = ParameterList<As..., Bs...>;
};

template <class Op>
consteval auto list_buffers() {
    if constexpr (has_buffers<Op>())
        return typename Op::Buffers{};
    else
        return NoParameters{};
}

template <class Op>
struct FrozenOperation : Op {
    using KernelOperation = Op;
    using IsFrozen = void;
    using Parameters = NoParameters;
    using Buffers = typename JoinedLists<typename Op::Parameters, decltype(list_buffers<Op>())>::type;
};
/// What is the identity in evaluation.
template <class Op>
struct FrozenIdentity {
    using IsFrozen = void;
    using IsView = void;
    using Input = typename Op::Input;
    using Output = typename Op::Output;
    using Parameters = NoParameters;
    static constexpr Keep keep = Keep::nothing;
    static constexpr double flops = 0;
    static constexpr std::string_view type = type_of<Op>();
};
template <class Op>
consteval auto freeze() {
    if constexpr (requires { typename Op::IsFrozen; })
        return std::type_identity<Op>();
    else if constexpr (requires { typename Op::IsTrainingOnly; })
        return std::type_identity<FrozenIdentity<Op>>();
    else if constexpr (Op::Parameters::size > 0 || has_buffers<Op>())
        return std::type_identity<FrozenOperation<Op>>();
    else
        return std::type_identity<Op>();
}
template <class Op>
using frozen_operation = typename decltype(freeze<Op>())::type;

/// The same of a row: that of frozen_operation<Op>, of the row of Op.
constexpr OperationRow frozen_row(OperationRow row) {
    row.frozen += row.parameters;
    row.buffers += row.parameters;
    row.parameters = row.trained = 0;
    row.is_batch_wide = false;
    if (row.is_training_only) {
        row.is_view = true;
        row.is_training_only = row.keeps_extra = false;
        row.keep = Keep::nothing;
        row.flops = 0;
    }
    row.is_frozen = true;
    return row;
}

/// The operation whose kernels an operation takes.
template <class Op>
struct KernelOperation {
    using type = Op;
};
template <class Op>
requires requires { typename Op::KernelOperation; }
struct KernelOperation<Op> {
    using type = typename Op::KernelOperation;
};
template <class Op>
using kernel_operation = typename KernelOperation<Op>::type;
/// Whether its parameters are among the buffers.
template <class Op>
inline constexpr bool is_frozen = requires { typename Op::IsFrozen; } && !std::is_same_v<Op, kernel_operation<Op>>;
/// Where the statistics begin in an operation's buffers: behind parameters that are among them, too.
template <class Op>
inline constexpr std::ptrdiff_t statistics_in_buffers = is_frozen<Op> ? kernel_operation<Op>::Parameters::size : 0;
/// Whether it reads statistics, a batch's or the running ones.
template <class Op>
constexpr bool reads_statistics() {
    return requires { Op::statistics_per_channel; };
}

}  // namespace strata::inline STRATA_ABI::detail

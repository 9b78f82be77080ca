// The loops over a network's rows that write a program. What is compiled is compiled for each operation that differs, so a
// program costs the compiler as much as a network has kinds of operations, however deep it is.
#pragma once

#include "operation_steps.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Writes the steps of a network's operations with a backend's writer (operation_steps.hpp).
template <class Net, class Writer>
struct ProgramRows {
    static constexpr int n = Net::operation_count;
    template <int Kind>
    using StepsOf = OperationSteps<typename Net::template KindAt<Kind>, Writer>;
    using Write = void (*)(Writer&, PlannedOperations const&, int);
    template <class T>
    using OfKinds = std::array<T, static_cast<std::size_t>(Net::kinds.count)>;
    template <class T>
    using OfOperations = std::array<T, static_cast<std::size_t>(n)>;
    static constexpr int kind_of(int i) { return Net::kinds.of[static_cast<std::size_t>(i)]; }

    /// The steps of one operation's forward pass.
    template <bool Training>
    static constexpr void forward(Writer& write, PlannedOperations const& all, int i) {
        forward_writers<Training>[static_cast<std::size_t>(kind_of(i))](write, all, i);
    }
    /// The backward pass of all, from the last to the first; `all` is of the training plan.
    static constexpr void backward(Writer& write, PlannedOperations const& all) {
        for (int i = n - 1; i >= 0; --i) backward_writers[static_cast<std::size_t>(kind_of(i))](write, all, i);
    }
    /// For each operation whether its kernel applies the next one too: a ReLU in the place of its output.
    static constexpr OfOperations<bool> takes_relu(PlannedOperations const& all) {
        OfKinds<bool> applies{}, is_relu{};
        [&]<int... Kind>(std::integer_sequence<int, Kind...>) {
            ((applies[Kind] = StepsOf<Kind>::applies_relu, is_relu[Kind] = StepsOf<Kind>::is_relu), ...);
        }(std::make_integer_sequence<int, Net::kinds.count>{});
        OfOperations<bool> takes{};
        for (int i = 0; i + 1 < n; ++i)
            takes[static_cast<std::size_t>(i)] = applies[static_cast<std::size_t>(kind_of(i))] &&
                                                 is_relu[static_cast<std::size_t>(kind_of(i + 1))] &&
                                                 all.rows[i + 1].inputs[0] == i + 1 && all.in_place[i + 1];
        return takes;
    }

private:
    template <bool Training>
    static constexpr auto forward_writers = []<int... Kind>(std::integer_sequence<int, Kind...>) {
        return OfKinds<Write>{&StepsOf<Kind>::template forward<Training>...};
    }(std::make_integer_sequence<int, Net::kinds.count>{});
    static constexpr OfKinds<unsigned> gradient_needs = [] {
        OfKinds<unsigned> needs{};
        PlannedOperations const all{Net{}, Net::training_plan, 0, 1};
        for (int i = 0; i < n; ++i) needs[static_cast<std::size_t>(kind_of(i))] |= GradientNeeds::of(all, i);
        return needs;
    }();
    static constexpr auto backward_writers = []<int... Kind>(std::integer_sequence<int, Kind...>) {
        return OfKinds<Write>{&StepsOf<Kind>::template backward<gradient_needs[Kind]>...};
    }(std::make_integer_sequence<int, Net::kinds.count>{});
};

}  // namespace strata::inline STRATA_ABI::detail

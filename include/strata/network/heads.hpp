// Heads: a network that ends in several outputs, each with a name.
#pragma once

#include <span>

#include "../core/error.hpp"
#include "../layer/heads.hpp"
#include "../loss/losses.hpp"
#include "join.hpp"
#include "network.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

struct HeadsLayer {
    static constexpr std::string_view name = "heads";
};
template <class Part>
inline constexpr bool is_named_twice = false;
template <class Part>
requires requires { typename Part::NamedContents::NamedContents; }
inline constexpr bool is_named_twice<Part> = true;
/// What is said of heads that have no names, or several.
template <class Where, class... Parts>
struct HeadsCheck {
    static constexpr bool number = sizeof...(Parts) > 0 && sizeof...(Parts) <= ValueList::most,
                          named = (requires {
                              typename Parts::NamedContents;
                          } && ...), once = !(is_named_twice<Parts> || ...), ok = number && named && once;
    struct Message {
        static_assert(number, "Heads takes 1 to 8 heads");
        static_assert(named,
                      "Heads: each head is Named: Heads<Named<\"classes\", Linear<10>>, Named<\"box\", Linear<4>>>");
        static_assert(once, "Heads: a head has one name: for a name inside of it put a Sequential between the two");
    };
};
template <class... Parts>
struct ToldOfHeads {
    template <class Where>
    using At = HeadsCheck<Where, Parts...>;
};
template <class X, class... Parts>
consteval auto join_heads() {
    if constexpr (!HeadsCheck<layer<0>, Parts...>::ok) {
        return MisusedFragment<ToldOfHeads<Parts...>>{};
    } else {
        using Branches = SideBySide<X, Parts...>;
        if constexpr (!std::is_same_v<typename Branches::Misuse, NoMisuse>)
            return NoFragment<Poison, typename Branches::Misuse>{};
        else
            return JoinedBranches<Branches,
                                  HeadsOf<ShapeList<HeadName<Parts::name>...>, typename Fragment<Parts, X>::Output...>,
                                  HeadsLayer>{};
    }
}
template <class... Parts, class X>
struct Fragment<Heads<Parts...>, X> : decltype(join_heads<X, Parts...>()) {};

template <class Op>
inline constexpr bool is_heads = false;
template <class Names, class... X>
inline constexpr bool is_heads<HeadsOf<Names, X...>> = true;
/// The last operation of a network.
template <class Net>
using last_operation = typename Net::template OperationAt<Net::operation_count - 1>;
template <class Net>
inline constexpr bool has_heads = is_heads<last_operation<Net>>;

template <class Loss>
inline constexpr bool is_misused_losses = false;
template <class... L>
inline constexpr bool is_misused_losses<Losses<L...>> = !Losses<L...>::named;

/// Whether a loss and a network are for each other.
enum class HeadsFit : std::uint8_t { neither, both, no_losses, no_heads, other_names, not_last };
template <class Net>
consteval bool has_heads_inside() {
    bool found = false;
    Net::visit_operations(
        [&]<class Op>(int index) { found = found || (index + 1 < Net::operation_count && is_heads<Op>); });
    return found;
}
template <class Net, class Loss>
consteval HeadsFit heads_fit() {
    if constexpr (!Net::valid || is_misused_losses<Loss>)
        return HeadsFit::neither;
    else if constexpr (has_heads_inside<Net>())
        return HeadsFit::not_last;
    else if constexpr (has_heads<Net> && is_losses<Loss>)
        return are_losses_of<last_operation<Net>>(static_cast<Loss const*>(nullptr)) ? HeadsFit::both
                                                                                     : HeadsFit::other_names;
    else
        return has_heads<Net> ? HeadsFit::no_losses : is_losses<Loss> ? HeadsFit::no_heads : HeadsFit::neither;
}
/// To complete it makes the compiler say what does not fit.
template <HeadsFit Fit>
struct HeadsAndLosses {
    static_assert(
        Fit != HeadsFit::no_losses,
        "a network that ends in Heads is trained with a loss for each: Losses{On<\"classes\">(CrossEntropy{}), "
        "On<\"box\">(MSE{}, {.weight = 0.5})}");
    static_assert(Fit != HeadsFit::no_heads,
                  "Losses are for a network that ends in Heads<Named<\"classes\", ...>, ...>");
    static_assert(Fit != HeadsFit::not_last,
                  "Heads stand last in a network: what follows would see them as one Concat");
    static_assert(Fit != HeadsFit::other_names,
                  "Losses: name each head of the network once: Losses{On<\"classes\">(CrossEntropy{}), "
                  "On<\"box\">(MSE{})}");
};
template <class Op, class... L>
HeadLosses<Op, L...> bound_losses(Losses<L...> const& losses) {
    return HeadLosses<Op, L...>(losses);
}
/// Stands for Losses that do not fit, so that nothing more is said.
template <class First, class... Rest>
auto first_loss(Losses<First, Rest...> const& losses) {
    if constexpr (requires { typename First::LossType; })
        return static_cast<First const&>(losses).loss;
    else
        return static_cast<First const&>(losses);
}
/// A loss as executors of Net take it.
template <class Net, class Loss>
auto loss_of(Loss const& loss) {
    constexpr HeadsFit fit = heads_fit<Net, Loss>();
    static_assert(sizeof(HeadsAndLosses<fit>) > 0);
    if constexpr (fit == HeadsFit::both)
        return bound_losses<last_operation<Net>>(loss);
    else if constexpr (is_losses<Loss>)
        return first_loss(loss);
    else
        return loss;
}

}  // namespace detail

/// The outputs of one head for some samples: head[i] are those of sample i.
template <class T, int Size>
struct HeadOutputs {
    static constexpr int outputs = Size;
    T* first;             ///< of the first sample
    std::size_t samples;  ///< how many there are
    std::size_t stride;   ///< between samples
    [[nodiscard]] std::size_t size() const { return samples; }
    std::span<T, static_cast<std::size_t>(Size)> operator[](std::size_t sample) const {
        return std::span<T, static_cast<std::size_t>(Size)>(first + sample * stride, static_cast<std::size_t>(Size));
    }
};

/// One head's part of outputs [N][outputs], which model(x, workspace) and trainer.predict give:
/// `head<"box", Net>(model(x, workspace))[0]` are the four numbers of sample 0. Throws Error where they are not whole rows.
template <FixedString Name, class Net, class Numbers>
[[nodiscard]] auto head(Numbers&& numbers) {
    static_assert(detail::has_heads<Net>, "head: the network does not end in Heads");
    using Op = detail::last_operation<Net>;
    constexpr int k = Op::find(Name.view());
    static_assert(k >= 0, "head: the network has no head of this name");
    static_assert(
        std::is_lvalue_reference_v<Numbers> || std::ranges::enable_borrowed_range<std::remove_cvref_t<Numbers>>,
        "head: the numbers are a temporary that will be gone: keep them in a variable first");
    using T = std::remove_reference_t<decltype(*std::data(numbers))>;
    constexpr auto row = static_cast<std::size_t>(Net::OutputShape::size);
    if (std::size(numbers) % row != 0)
        fail("head: ", std::size(numbers), " numbers are not a whole number of outputs of ", row);
    return HeadOutputs<T, Op::sizes[static_cast<std::size_t>(k)]>{std::data(numbers) + Op::offset(k),
                                                                  std::size(numbers) / row, row};
}

}  // namespace strata::inline STRATA_ABI

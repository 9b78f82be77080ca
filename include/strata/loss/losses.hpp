// Losses: a loss for each head of a network, by name; what is trained on is their sum, each times its weight.
#pragma once

#include <string_view>
#include <utility>

#include "../core/error.hpp"
#include "../core/finite.hpp"
#include "loss_mean.hpp"

namespace strata::inline STRATA_ABI {

struct HeadOptions {
    double weight = 1;  ///< factor of the loss in the sum, at least 0
};

/// A loss and the head that it is of; made by On.
template <FixedString Name, class L>
struct NamedLoss {
    using LossType = L;
    static constexpr std::string_view name = Name.view();
    L loss;
    double weight = 1;
};
/// `On<"box">(MSE{}, {.weight = 0.5})`.
template <FixedString Name, class L>
constexpr NamedLoss<Name, L> On(L const& loss, HeadOptions options = {}) {
    return {loss, options.weight};
}

/// `Losses{On<"classes">(CrossEntropy{}), On<"box">(MSE{}, {.weight = 0.5})}`, in any order, one for each head. The loss is
/// sum_h weight_h mean_h, each mean as the loss of that head has it alone: its divisor is its own.
template <class... L>
struct Losses : L... {
    static constexpr bool named = (requires { typename L::LossType; } && ...);
    static_assert(
        named, "Losses: say which head each loss is of: Losses{On<\"classes\">(CrossEntropy{}), On<\"box\">(MSE{})}");
    using policy = LossPolicy;
    static constexpr bool classifies = [] {
        if constexpr (named)
            return (static_cast<bool>(L::LossType::classifies) || ...);
        else
            return true;
    }();
    constexpr explicit Losses(L... losses) : L(losses)... {}
};
template <class... L>
Losses(L...) -> Losses<L...>;

namespace detail {

template <int Index, class First, class... Rest>
struct TypeAt : TypeAt<Index - 1, Rest...> {};
template <class First, class... Rest>
struct TypeAt<0, First, Rest...> {
    using type = First;
};
template <class... Names>
consteval int find_name(std::string_view wanted) {
    int at = 0, found = -1;
    ((found = Names::name == wanted ? at : found, ++at), ...);
    return found;
}
/// Whether there is one for each of a network's heads, Op its HeadsOf.
template <class Op, class... L>
consteval bool are_losses_of(Losses<L...> const*) {
    bool all = sizeof...(L) == static_cast<std::size_t>(Op::heads);
    for (auto const name : Op::names) all = all && find_name<L...>(name) >= 0;
    return all;
}

/// The means of the heads' losses.
template <int Heads>
struct HeadMeans {
    LossMean heads[static_cast<std::size_t>(Heads)];
};

/// Losses and the heads that they are of, Op the network's HeadsOf. A batch's labels are those of the heads that classify,
/// one behind the other in the heads' order, its targets the numbers of the others.
template <class Op, class... L>
struct HeadLosses : Losses<L...> {
    explicit HeadLosses(Losses<L...> const& losses) : Losses<L...>(losses) {}
    static constexpr int heads = Op::heads;
    template <int Index>
    using Head = typename TypeAt<find_name<L...>(Op::names[static_cast<std::size_t>(Index)]), L...>::type;
    template <int Index>
    using LossOf = typename Head<Index>::LossType;
    template <int Index>
    using ShapeOf = input_of<Op, Index>;
    template <int Index>
    [[nodiscard]] constexpr Head<Index> const& at() const {
        return *this;
    }
    template <class F>
    static constexpr void for_each_head(F&& f) {
        [&]<int... Index>(std::integer_sequence<int, Index...>) {
            (static_cast<void>(f.template operator()<Index>()), ...);
        }(std::make_integer_sequence<int, heads>{});
    }
    /// Labels, or numbers of targets, of a sample before head `end`.
    static constexpr int labels_before(int end) {
        int count = 0;
        for_each_head([&]<int Index>() {
            if (Index < end && LossOf<Index>::classifies) count += places_of<LossOf<Index>, ShapeOf<Index>>;
        });
        return count;
    }
    static constexpr int targets_before(int end) {
        int count = 0;
        for_each_head([&]<int Index>() {
            if (Index < end && !LossOf<Index>::classifies) count += ShapeOf<Index>::size;
        });
        return count;
    }
    static constexpr int labels = labels_before(heads), targets = targets_before(heads);
    /// The first head that classifies, whose hits are the network's; -1 for none.
    static constexpr int judged = [] {
        int first = -1;
        for_each_head([&]<int Index>() {
            if (LossOf<Index>::classifies && first < 0) first = Index;
        });
        return first;
    }();

    STRATA_COLD void check() const {
        for_each_head([&]<int Index>() {
            auto const& head = at<Index>();
            if (!is_finite(head.weight) || !(head.weight >= 0))
                fail("Losses: the weight of ", head.name, " is ", head.weight, ", expected at least 0");
            if constexpr (requires { head.loss.check(); }) head.loss.check();
        });
    }
};

template <class Op, class... L>
inline constexpr bool is_head_losses<HeadLosses<Op, L...>> = true;
template <class T>
inline constexpr bool is_losses = false;
template <class... L>
inline constexpr bool is_losses<Losses<L...>> = true;

/// The means over some samples of a batch.
template <class Op, class... L>
HeadMeans<Op::heads> loss_mean(HeadLosses<Op, L...> const& losses, Batch const& batch, SampleRange samples) {
    using All = HeadLosses<Op, L...>;
    HeadMeans<Op::heads> means;
    All::for_each_head([&]<int Index>() {
        using One = typename All::template LossOf<Index>;
        constexpr int places = places_of<One, typename All::template ShapeOf<Index>>;
        auto const& loss = losses.template at<Index>().loss;
        LossMean& mean = means.heads[Index];
        std::int64_t const size = samples.end - samples.begin;
        if (One::classifies) mean.places = places;
        double weights = 0;
        if (One::classifies && batch.labels)
            for (int i = samples.begin; i < samples.end; ++i)
                for (int place = 0; place < places; ++place) {
                    std::int32_t const label =
                        batch.labels[static_cast<std::ptrdiff_t>(i) * All::labels + All::labels_before(Index) + place];
                    bool const out = ignores(loss, label);
                    mean.ignored += out ? 1 : 0;
                    if constexpr (WeighsLabels<One>) weights += out ? 0 : loss.label_weight(label);
                }
        mean.divisor = static_cast<double>(size * mean.places - mean.ignored);
        if constexpr (WeighsLabels<One>)
            if (batch.labels) mean.label_weight = mean.divisor = weights;
    });
    return means;
}
template <class Op, class... L>
HeadMeans<Op::heads> loss_mean(HeadLosses<Op, L...> const& losses, Batch const& batch) {
    Batch const& all = batch.whole ? *batch.whole : batch;
    return loss_mean(losses, all, {0, all.answers()});
}

template <class Loss>
inline constexpr bool reads_targets = !Loss::classifies;
template <class Op, class... L>
inline constexpr bool reads_targets<HeadLosses<Op, L...>> = HeadLosses<Op, L...>::targets > 0;
/// Whether a batch has all labels and targets that a loss reads.
template <class Loss>
bool answers_all(Batch const& batch) {
    return (!Loss::classifies || batch.labels) && (!reads_targets<Loss> || batch.targets);
}

/// What the mean of a loss over a batch is.
template <class Loss>
struct MeanOf {
    using type = LossMean;
};
template <class Op, class... L>
struct MeanOf<HeadLosses<Op, L...>> {
    using type = HeadMeans<Op::heads>;
};
/// Labels of a sample, and numbers of its targets.
template <class Op, class... L, class Net>
inline constexpr int places_in<HeadLosses<Op, L...>, Net> = HeadLosses<Op, L...>::labels;
template <class Op, class... L, class Net>
inline constexpr int targets_in<HeadLosses<Op, L...>, Net> = HeadLosses<Op, L...>::targets;
}  // namespace detail

}  // namespace strata::inline STRATA_ABI

// How an optimizer moves parameters whose groups have other options: each kind of options has an update of its own.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "ema.hpp"
#include "group.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {
/// Neighbouring numbers of the parameters that have the same options.
struct GroupedRange {
    std::ptrdiff_t begin, end;
    int kind;
};

/// One update a kind of options; it is called by for_each_update (backend/update_range.hpp).
template <class Inner, std::size_t Kinds>
struct GroupedUpdate {
    std::array<std::optional<Inner>, Kinds> kinds{};  ///< of those that are there
    std::span<GroupedRange const> ranges{};

    /// Calls f(update, from, to) for the parts of [from, to) that one of them moves.
    template <class F>
    void for_each(std::ptrdiff_t from, std::ptrdiff_t to, F const& f) const {
        for (auto const& range : ranges) {
            auto const begin = (std::max)(from, range.begin), end = (std::min)(to, range.end);
            if (begin < end) f(*kinds[static_cast<std::size_t>(range.kind)], begin, end);
        }
    }
    /// No number exceeds the largest of all kinds' bounds.
    template <std::size_t States>
    double bound(double& weight, double gradient, double (&state)[States]) const
    requires requires(Inner const& inner) { inner.bound(weight, gradient, state); }
    {
        double largest = 0, most = 0, states[States]{};
        for (auto const& inner : kinds) {
            if (!inner) continue;
            double its = weight, its_state[States];
            std::copy_n(state, States, its_state);
            double const bound = inner->bound(its, gradient, its_state);
            if (!is_finite(bound)) return bound;
            largest = (std::max)(largest, bound);
            most = (std::max)(most, its);
            for (std::size_t k = 0; k < States; ++k) states[k] = (std::max)(states[k], its_state[k]);
        }
        weight = most;
        std::copy_n(states, States, state);
        return largest;
    }
};

/// `without_decay` names an optimizer that has no weight decay.
STRATA_COLD inline void check_group(Group const& group, char const* without_decay) {
    auto const& [weight_decay, rate] = group.options;
    std::string const who = concatenate("Group ", group.members.text());
    if (!weight_decay && !rate) fail(who, ": it gives no option, expected weight_decay or rate");
    if (rate) check_rate(who.c_str(), "rate", *rate);
    if (weight_decay) check_rate(who.c_str(), "weight_decay", *weight_decay);
    if (weight_decay && without_decay) fail(who, ": the optimizer ", without_decay, " has no weight_decay");
}

/// The parameters by their kinds of options: decay (groups + 1) + rate, which say the last group that gives the one and
/// the other, or `groups` where it is the optimizer's.
template <class Rows>
STRATA_COLD std::vector<GroupedRange> ranges_of_groups(std::span<Group const> groups, Rows const& rows) {
    std::vector<GroupedRange> ranges;
    std::vector<bool> fits(groups.size());
    for (auto const& row : rows) {
        std::size_t decay = groups.size(), rate = decay;
        for (std::size_t g = 0; g < groups.size(); ++g) {
            if (!groups[g].members.has(row.layer, row.name, row.shape)) continue;
            fits[g] = true;
            if (groups[g].options.weight_decay) decay = g;
            if (groups[g].options.rate) rate = g;
        }
        auto const kind = static_cast<int>(decay * (groups.size() + 1) + rate);
        std::ptrdiff_t const begin = row.offset, end = begin + row.size;
        if (!ranges.empty() && ranges.back().kind == kind)
            ranges.back().end = end;
        else
            ranges.push_back({begin, end, kind});
    }
    for (std::size_t g = 0; g < groups.size(); ++g) {
        if (fits[g]) continue;
        std::string names;
        for (auto const& row : rows) append(names, names.empty() ? "" : ", ", row.layer, ".", row.name);
        fail("Group ", groups[g].members.text(), ": no trained parameter of the network is ",
             groups[g].members.wanted(), "; there are ", names);
    }
    return ranges;
}

/// An optimizer with groups. Its name, options and state are the optimizer's.
template <class Optimizer, std::size_t Count>
class Grouped : public Optimizer {
    static constexpr std::size_t choices = Count + 1, kinds = choices * choices;
    static constexpr bool decays = requires(Optimizer& optimizer) { optimizer.weight_decay = 0.0; };

public:
    using Base = Optimizer;

    Grouped(Optimizer const& optimizer, std::array<Group, Count> groups)
        : Optimizer(optimizer), groups_(std::move(groups)) {}

    [[nodiscard]] std::array<Group, Count> const& groups() const { return groups_; }

    STRATA_COLD void check() const {
        if constexpr (requires(Optimizer const& optimizer) { optimizer.check(); }) Optimizer::check();
        for (auto const& group : groups_) check_group(group, decays ? nullptr : name_of_optimizer<Optimizer>());
    }
    /// Finds the parameters of each group; rows of network/tensor_table.hpp.
    template <class Rows>
    STRATA_COLD void resolve(Rows const& rows) {
        ranges_ = ranges_of_groups(std::span<Group const>(groups_), rows);
    }
    [[nodiscard]] std::span<GroupedRange const> ranges() const { return ranges_; }

    /// The optimizer of a kind, and its step.
    [[nodiscard]] Optimizer of_kind(int kind) const {
        Optimizer its = *this;
        auto const group = static_cast<std::size_t>(kind) / choices;
        if constexpr (decays)
            if (group < Count) {
                its.weight_decay = *groups_[group].options.weight_decay;
                if constexpr (requires { its.rest.weight_decay = 0.0; }) its.rest.weight_decay = its.weight_decay;
            }
        return its;
    }
    [[nodiscard]] OptimizerStep step_of_kind(int kind, OptimizerStep step) const {
        auto const group = static_cast<std::size_t>(kind) % choices;
        if (group < Count) step.learning_rate *= *groups_[group].options.rate;
        return step;
    }
    /// Those of the parameter tensor that begins at a place.
    [[nodiscard]] int kind_at(std::ptrdiff_t place) const {
        int kind = 0;
        for (auto const& range : ranges_)
            if (range.begin <= place) kind = range.kind;
        return kind;
    }

    /// The updates of some ranges, all of the network's if no others are given.
    template <class T>
    [[nodiscard]] auto prepare(OptimizerStep const& step, std::span<GroupedRange const> ranges) const
    requires requires(Optimizer const& optimizer) { optimizer.template prepare<T>(step); }
    {
        GroupedUpdate<update_of<Optimizer, T>, kinds> all{.kinds = {}, .ranges = ranges};
        for (auto const& range : ranges)
            if (auto& update = all.kinds[static_cast<std::size_t>(range.kind)]; !update)
                update.emplace(of_kind(range.kind).template prepare<T>(step_of_kind(range.kind, step)));
        return all;
    }
    template <class T>
    [[nodiscard]] auto prepare(OptimizerStep const& step) const
    requires requires(Optimizer const& optimizer) { optimizer.template prepare<T>(step); }
    {
        return prepare<T>(step, ranges());
    }

private:
    std::array<Group, Count> groups_;
    std::vector<GroupedRange> ranges_;
};

template <class Optimizer>
inline constexpr bool is_grouped = false;
template <class Optimizer, std::size_t Count>
inline constexpr bool is_grouped<Grouped<Optimizer, Count>> = true;
template <class Optimizer, std::size_t Count>
inline constexpr bool is_averaged<Grouped<Optimizer, Count>> = is_averaged<Optimizer>;
template <class Optimizer, std::size_t Count>
struct BareOptimizer<Grouped<Optimizer, Count>> : BareOptimizer<Optimizer> {};

/// An optimizer with groups, of whose parameters only some are here: where those lie.
template <class Optimizer>
struct GroupedPart {
    static constexpr int states = states_of<Optimizer>();
    Optimizer const& whole;
    std::span<GroupedRange const> ranges;
    template <class T>
    [[nodiscard]] auto prepare(OptimizerStep const& step) const {
        return whole.template prepare<T>(step, ranges);
    }
};

/// Calls f(optimizer, step) with those of the parameter tensor that begins at a place.
template <class Optimizer, class F>
void with_group_at(Optimizer const& optimizer, std::ptrdiff_t place, OptimizerStep const& step, F const& f) {
    if constexpr (is_grouped<Optimizer>) {
        int const kind = optimizer.kind_at(place);
        f(optimizer.of_kind(kind), optimizer.step_of_kind(kind, step));
    } else {
        f(optimizer, step);
    }
}

/// The optimizer with the groups that are among some policies.
template <class Optimizer, class... Policies>
auto grouped(Optimizer const& optimizer, Policies const&... policies) {
    constexpr std::size_t count = (std::size_t{0} + ... + (std::is_same_v<Policies, Group> ? 1u : 0u));
    if constexpr (count == 0) {
        return optimizer;
    } else {
        std::array<Group, count> groups{};
        std::size_t at = 0;
        auto const take = [&](auto const& policy) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(policy)>, Group>) groups[at++] = policy;
        };
        (take(policies), ...);
        return Grouped<Optimizer, count>(optimizer, std::move(groups));
    }
}
}  // namespace detail

}  // namespace strata::inline STRATA_ABI

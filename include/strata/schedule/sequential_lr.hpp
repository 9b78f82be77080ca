// Several schedules, one after another.
#pragma once

#include <tuple>
#include <utility>
#include <vector>

#include "schedule.hpp"

namespace strata::inline STRATA_ABI {

/// Options of SequentialLR.
struct SequenceOptions {
    std::vector<std::int64_t> milestones{};  ///< ticks at which the second schedule begins, the third, ...; rising
    Every every = Every::epoch;              ///< what a tick of the milestones is
};

/// One schedule after another: the next one begins at each milestone as if training began there. It sees its position
/// shifted, its epochs counted from there; the whole training is to each the time up to the next milestone.
///
///     SequentialLR({.milestones = {30, 80}}, ConstantLR{}, CosineAnnealingLR{}, ExponentialLR{.gamma = 0.9})
///
/// All start from the optimizer's learning rate, and the momentum is what the one whose turn it is says. Source:
/// torch.optim.lr_scheduler.SequentialLR. Throws Error where the milestones are not one fewer than the schedules, or do
/// not rise from 1 on.
template <Schedule... Schedules>
requires(sizeof...(Schedules) > 0)
class SequentialLR {
public:
    using policy = SchedulePolicy;

    explicit SequentialLR(SequenceOptions options, Schedules... schedules)
        : options_(std::move(options)), schedules_(std::move(schedules)...) {
        auto const& milestones = options_.milestones;
        if (milestones.size() + 1 != count)
            fail("SequentialLR: ", milestones.size(), " milestones between ", count, " schedules, expected ",
                 count - 1);
        std::int64_t before = 0;
        for (auto const milestone : milestones) {
            if (milestone <= before)
                fail("SequentialLR: milestones has ", milestone, " behind ", before,
                     ", expected numbers above 0 that rise");
            before = milestone;
        }
    }

    ScheduleValue operator()(double base_learning_rate, SchedulePosition const& position) const {
        auto const tick = ticks_done(position, options_.every);
        std::size_t now = 0;
        while (now + 1 < count && options_.milestones[now] <= tick) ++now;
        ScheduleValue value;
        std::size_t index = 0;
        for_each_schedule([&](auto const& schedule) {
            std::size_t const i = index++;
            auto const begin = i == 0 ? 0 : options_.milestones[i - 1];
            // Those that come later are asked, too: an impossible one is found at the first step.
            if (i < now) return;
            auto part = i == now ? position_after(position, begin, options_.every)
                                 : beginning_after(position, begin, options_.every);
            if (i + 1 < count) part.total_steps = steps_in(position, options_.milestones[i] - begin, options_.every);
            ScheduleValue const said = schedule(base_learning_rate, part);
            if (i == now) value = said;
        });
        return value;
    }

    /// See OneCycleLR.
    [[nodiscard]] double initial_learning_rate(double base_learning_rate) const
    requires requires(std::tuple_element_t<0, std::tuple<Schedules...>> const& first) {
        first.initial_learning_rate(base_learning_rate);
    }
    {
        return std::get<0>(schedules_).initial_learning_rate(base_learning_rate);
    }

    [[nodiscard]] SequenceOptions const& options() const { return options_; }
    /// Calls f(schedule) for each, in order.
    template <class F>
    void for_each_schedule(F const& f) const {
        std::apply([&](auto const&... schedules) { (f(schedules), ...); }, schedules_);
    }

private:
    static constexpr std::size_t count = sizeof...(Schedules);

    SequenceOptions options_;
    std::tuple<Schedules...> schedules_;
};

}  // namespace strata::inline STRATA_ABI

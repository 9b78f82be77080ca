// What a learning-rate schedule is: a plain value with a pure function from the place in training to a learning rate.
//
// A schedule keeps no state, so resuming needs nothing but the step, and any step can be asked for at any time. The
// values are PyTorch's (torch.optim.lr_scheduler), in closed form.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>

#include "../core/error.hpp"
#include "../core/finite.hpp"

namespace strata::inline STRATA_ABI {

/// Marks a schedule type among the other policies of a trainer: `using policy = SchedulePolicy;`.
struct SchedulePolicy {};

/// Where training stands when a learning rate is asked for.
struct SchedulePosition {
    std::int64_t step = 0;             ///< optimizer steps done before this one, over all epochs
    std::int64_t epoch = 0;            ///< epochs done before this one
    std::int64_t steps_per_epoch = 0;  ///< 0 if unknown
    std::int64_t total_steps = 0;      ///< steps planned for the whole training, 0 if unknown
    /// Of each epoch done: on the test data, or in training where there are none. Loops of one's own set it.
    std::span<double const> losses{};
};

/// What a schedule says about the coming step.
struct ScheduleValue {
    double learning_rate = 0;
    std::optional<double> momentum{};  ///< of SGD, beta1 of Adam; none leaves the optimizer's own value
};

/// What a schedule counts in: it moves once an epoch or at every optimizer step.
enum class Every : std::uint8_t { epoch, step };

/// A learning-rate schedule: `schedule(base_learning_rate, position)`, the base being the
/// optimizer's own learning rate.
template <class T>
concept Schedule = std::same_as<typename T::policy, SchedulePolicy> &&
                   requires(T const& schedule, double base_learning_rate, SchedulePosition const& position) {
                       { schedule(base_learning_rate, position) } -> std::same_as<ScheduleValue>;
                   };

/// Ticks before `position`, in the unit of the schedule.
constexpr std::int64_t ticks_done(SchedulePosition const& position, Every every) {
    return every == Every::epoch ? position.epoch : position.step;
}

/// Ticks of the whole training (a last partial epoch counts as one), 0 if unknown.
constexpr std::int64_t ticks_planned(SchedulePosition const& position, Every every) {
    if (every == Every::step) return position.total_steps;
    if (position.steps_per_epoch <= 0) return 0;
    return (position.total_steps + position.steps_per_epoch - 1) / position.steps_per_epoch;
}

/// Optimizer steps in `ticks` ticks, 0 if unknown.
constexpr std::int64_t steps_in(SchedulePosition const& position, std::int64_t ticks, Every every) {
    return every == Every::step ? ticks : ticks * position.steps_per_epoch;
}

/// `position` as a schedule sees it that begins after `ticks` ticks, as if training began there: its epochs are counted
/// from there with their losses, and its training is what is left. An unknown length stays unknown; a training that is
/// over by then leaves one step.
constexpr SchedulePosition position_after(SchedulePosition position, std::int64_t ticks, Every every) {
    auto const steps = steps_in(position, ticks, every), epochs = position.epoch;
    position.step -= steps;
    if (position.total_steps > 0)
        position.total_steps = position.total_steps > steps ? position.total_steps - steps : 1;
    if (every == Every::epoch)
        position.epoch -= ticks;
    else if (position.steps_per_epoch > 0)
        position.epoch = position.step / position.steps_per_epoch;
    // Otherwise the length of an epoch is unknown, and the caller's epoch is the best there is.
    auto const before = static_cast<std::size_t>(epochs > position.epoch ? epochs - position.epoch : 0);
    position.losses = position.losses.subspan(before < position.losses.size() ? before : position.losses.size());
    return position;
}

/// The first position of a schedule that begins after `ticks` ticks.
constexpr SchedulePosition beginning_after(SchedulePosition position, std::int64_t ticks, Every every) {
    position = position_after(position, ticks, every);
    position.step = position.epoch = 0;
    position.losses = {};
    return position;
}

/// "epochs" or "steps", for messages.
constexpr char const* ticks_name(Every every) { return every == Every::epoch ? "epochs" : "steps"; }

}  // namespace strata::inline STRATA_ABI

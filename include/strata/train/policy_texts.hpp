// What policies do, as texts that ranks can compare: their bytes would not do, for some of them mean nothing.
#pragma once

#include <string>

#include "../backend/cpu/update.hpp"
#include "../io/checkpoint_file.hpp"
#include "../io/checksum.hpp"
#include "../optimizer/optimizer.hpp"
#include "../schedule/schedule.hpp"

namespace strata::inline STRATA_ABI::detail {

/// An optimizer by what it does to some numbers.
template <class Scalar, class Optimizer>
std::string optimizer_text(Optimizer const& optimizer) {
    constexpr int states = states_of<Optimizer>();
    constexpr std::size_t count = 4;
    Checksum sum;
    for (std::int64_t const index : {0, 7}) {
        Scalar weights[count] = {Scalar(0), Scalar(0.7), Scalar(-0.3), Scalar(0)};
        Scalar const gradients[count] = {Scalar(1e-9), Scalar(0.4), Scalar(-5), Scalar(0.01)};
        Scalar state[count * (states + 1)] = {};
        for (std::size_t i = 1; i < count * states; i += 2) state[i] = Scalar(0.05) * static_cast<Scalar>(i);
        update_parameters<states>(optimizer.template prepare<Scalar>(OptimizerStep{0.1, {}, index}), weights, gradients,
                                  state, static_cast<std::ptrdiff_t>(count), 0, static_cast<std::ptrdiff_t>(count));
        sum.add(weights, sizeof weights);
        sum.add(state, sizeof state);
    }
    return concatenate(name_of_optimizer<Optimizer>(), " (checksum of its options ", hexadecimal(sum.value()), ")");
}
/// A schedule by its rates at some places of a training.
template <class Schedule>
STRATA_COLD std::string schedule_text(Schedule const& schedule) {
    Checksum sum;
    for (std::int64_t const epoch : {0, 1, 2, 3, 5, 10, 30, 60, 90}) {
        double numbers[2] = {-1, -1};
        try {
            ScheduleValue const value = schedule(0.1, {epoch * 10, epoch, 10, 1000});
            numbers[0] = value.learning_rate;
            if (value.momentum) numbers[1] = *value.momentum;
        } catch (Error const&) {}  // a place that it does not have
        sum.add(numbers, sizeof numbers);
    }
    return concatenate("one of rates of checksum ", sum.value());
}

}  // namespace strata::inline STRATA_ABI::detail

// What policies do, as texts that ranks can compare: their bytes would not do, for some of them mean nothing.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../backend/cpu/step/update.hpp"
#include "../core/exact_text.hpp"
#include "../io/checkpoint_file.hpp"
#include "../io/checksum.hpp"
#include "../loss/losses.hpp"
#include "../optimizer/grouped_optimizer.hpp"
#include "../schedule/schedule.hpp"

namespace strata::inline STRATA_ABI::detail {

/// The options of a policy, as ", momentum 0.9": those that have one of the names that Strata's policies use.
template <class Policy>
STRATA_COLD std::string options_text(Policy const& policy) {
    std::string text;
    auto const add = [&](char const* name, auto value) {
        append(text, ", ", name, ' ', exact_text(static_cast<double>(value)));
    };
    if constexpr (requires { double(policy.momentum); }) add("momentum", policy.momentum);
    if constexpr (requires { double(policy.dampening); }) add("dampening", policy.dampening);
    if constexpr (requires { double(policy.alpha); }) add("alpha", policy.alpha);
    if constexpr (requires { double(policy.beta1); }) add("beta1", policy.beta1);
    if constexpr (requires { double(policy.beta2); }) add("beta2", policy.beta2);
    if constexpr (requires { double(policy.shampoo_beta); }) add("shampoo_beta", policy.shampoo_beta);
    if constexpr (requires { double(policy.epsilon); }) add("epsilon", policy.epsilon);
    if constexpr (requires { double(policy.weight_decay); }) add("weight_decay", policy.weight_decay);
    if constexpr (requires { double(policy.decoupled_weight_decay); })
        add("decoupled_weight_decay", policy.decoupled_weight_decay);
    if constexpr (requires { double(policy.momentum_decay); }) add("momentum_decay", policy.momentum_decay);
    if constexpr (requires { double(policy.lr_decay); }) add("lr_decay", policy.lr_decay);
    if constexpr (requires { double(policy.initial_accumulator_value); })
        add("initial_accumulator_value", policy.initial_accumulator_value);
    if constexpr (requires { double(policy.trust_coefficient); }) add("trust_coefficient", policy.trust_coefficient);
    if constexpr (requires { double(policy.nesterov); }) add("nesterov", policy.nesterov);
    if constexpr (requires { double(policy.centered); }) add("centered", policy.centered);
    if constexpr (requires { double(policy.steps); }) add("steps", policy.steps);
    if constexpr (requires { double(policy.every); }) add("every", policy.every);
    if constexpr (requires { double(policy.longest); }) add("longest", policy.longest);
    if constexpr (requires { double(policy.graft); }) add("graft", policy.graft);
    if constexpr (requires { static_cast<double>(policy.scale); }) add("scale", policy.scale);
    if constexpr (requires { double(policy.output_layer); }) add("output_layer", policy.output_layer);
    if constexpr (requires { double(policy.label_smoothing); }) add("label_smoothing", policy.label_smoothing);
    if constexpr (requires { double(policy.average.decay); }) add("ema", policy.average.decay);
    if constexpr (requires { double(policy.clip.max_norm); }) add("max_norm", policy.clip.max_norm);
    if constexpr (requires { double(policy.clip.max_value); }) add("max_value", policy.clip.max_value);
    if constexpr (requires { double(policy.ignore_index); }) add("ignore_index", policy.ignore_index);
    if constexpr (requires { double(policy.pos_weight); }) add("pos_weight", policy.pos_weight);
    if constexpr (requires { double(policy.delta); }) add("delta", policy.delta);
    if constexpr (requires { double(policy.beta); }) add("beta", policy.beta);
    if constexpr (requires { policy.class_weights.values; }) {
        Checksum sum;
        sum.add(policy.class_weights.values, sizeof policy.class_weights.values);
        append(text, ", class_weights of checksum ", hexadecimal(sum.value()));
    }
    if constexpr (requires { double(policy.rest.learning_rate); })
        append(text, "; the rest: learning_rate ", exact_text(policy.rest.learning_rate), options_text(policy.rest));
    return text;
}

/// An optimizer by its options, and by what it does to some numbers: it may have options of other names. Matrix optimizers
/// by their options alone.
template <class Scalar, class Optimizer>
STRATA_COLD std::string optimizer_text(Optimizer const& optimizer) {
    if constexpr (is_grouped<Optimizer>) {
        std::string all = optimizer_text<Scalar>(static_cast<typename Optimizer::Base const&>(optimizer));
        for (auto const& [members, options] : optimizer.groups()) {
            append(all, "; group ", members.text());
            if (options.weight_decay) append(all, ", weight_decay ", exact_text(*options.weight_decay));
            if (options.rate) append(all, ", rate ", exact_text(*options.rate));
        }
        return all;
    }
    std::string const text = concatenate(name_of_optimizer<Optimizer>(), options_text(optimizer));
    if constexpr (strata::Optimizer<Optimizer>) {
        constexpr int states = states_of<Optimizer>();
        constexpr std::size_t count = 4;
        Checksum sum;
        for (std::int64_t const index : {0, 7}) {
            Scalar weights[count] = {Scalar(0), Scalar(0.7), Scalar(-0.3), Scalar(0)};
            Scalar const gradients[count] = {Scalar(1e-9), Scalar(0.4), Scalar(-5), Scalar(0.01)};
            Scalar state[count * (states + 1)] = {};
            for (std::size_t i = 1; i < count * states; i += 2) state[i] = Scalar(0.05) * static_cast<Scalar>(i);
            update_parameters<states>(optimizer.template prepare<Scalar>(OptimizerStep{0.1, {}, index}), weights,
                                      gradients, state, static_cast<std::ptrdiff_t>(count), 0,
                                      static_cast<std::ptrdiff_t>(count));
            sum.add(weights, sizeof weights);
            sum.add(state, sizeof state);
        }
        return concatenate(text, " (checksum ", hexadecimal(sum.value()), ")");
    } else {
        return text;
    }
}
/// A loss over outputs of a shape by its options, and by what it says of some outputs.
template <class OutputShape, class Loss>
requires(!is_head_losses<Loss>)
STRATA_COLD std::string loss_text(Loss const& loss) {
    using Row = row_shape<Loss, OutputShape>;
    constexpr int count = Row::size;
    std::vector<float> outputs(count), gradient(count), targets(count);
    for (int k = 0; k < count; ++k) {
        outputs[static_cast<std::size_t>(k)] = static_cast<float>(k % 7) - 2.5f;
        targets[static_cast<std::size_t>(k)] = static_cast<float>(k % 5) / 2;
    }
    Checksum sum;
    for (int const label : {0, count - 1}) {
        scalar_loss_input<Loss, Row, float> const io{{outputs.data(), 1},
                                                     {gradient.data(), 1},
                                                     view_targets<Loss, Row, float>(targets.data(), 1),
                                                     static_cast<float>(label),
                                                     1};
        float const value = loss_of_row<count>(loss, io);
        sum.add(&value, sizeof value);
        sum.add(gradient.data(), gradient.size() * sizeof(float));
    }
    if constexpr (WeighsLabels<Loss>)
        for (int label = 0; label < count; ++label) {
            double const weight = loss.label_weight(label);
            sum.add(&weight, sizeof weight);
        }
    return concatenate("one", options_text(loss), " (checksum ", hexadecimal(sum.value()), ")");
}
template <class OutputShape, class Losses>
requires is_head_losses<Losses>
STRATA_COLD std::string loss_text(Losses const& losses) {
    std::string text;
    Losses::for_each_head([&]<int Index>() {
        auto const& head = losses.template at<Index>();
        append(text, head.name, ", weight ", exact_text(head.weight), ", ",
               loss_text<typename Losses::template ShapeOf<Index>>(head.loss), "; ");
    });
    return text;
}
/// The options of a schedule, with those of the schedules that it is made of.
template <class Schedule>
STRATA_COLD std::string schedule_options(Schedule const& schedule) {
    std::string text;
    if constexpr (requires { schedule.options(); }) append(text, schedule_options(schedule.options()));
    auto const add = [&](char const* name, auto value) {
        append(text, ", ", name, ' ', exact_text(static_cast<double>(value)));
    };
    if constexpr (requires { double(schedule.every); }) add("every", schedule.every);
    if constexpr (requires { double(schedule.steps); }) add("steps", schedule.steps);
    if constexpr (requires { double(schedule.start_factor); }) add("start_factor", schedule.start_factor);
    if constexpr (requires { double(schedule.step_size); }) add("step_size", schedule.step_size);
    if constexpr (requires { double(schedule.gamma); }) add("gamma", schedule.gamma);
    if constexpr (requires { double(schedule.t_max); }) add("t_max", schedule.t_max);
    if constexpr (requires { double(schedule.t_0); }) add("t_0", schedule.t_0);
    if constexpr (requires { double(schedule.t_mult); }) add("t_mult", schedule.t_mult);
    if constexpr (requires { double(schedule.eta_min); }) add("eta_min", schedule.eta_min);
    if constexpr (requires { double(schedule.total_iters); }) add("total_iters", schedule.total_iters);
    if constexpr (requires { double(schedule.total_steps); }) add("total_steps", schedule.total_steps);
    if constexpr (requires { double(schedule.power); }) add("power", schedule.power);
    if constexpr (requires { double(schedule.factor); }) add("factor", schedule.factor);
    if constexpr (requires { double(schedule.patience); }) add("patience", schedule.patience);
    if constexpr (requires { double(schedule.threshold); }) add("threshold", schedule.threshold);
    if constexpr (requires { double(schedule.cooldown); }) add("cooldown", schedule.cooldown);
    if constexpr (requires { double(schedule.min_learning_rate); })
        add("min_learning_rate", schedule.min_learning_rate);
    if constexpr (requires { double(*schedule.milestones.begin()); }) {
        text += ", milestones";
        for (auto const milestone : schedule.milestones) append(text, ' ', milestone);
    }
    if constexpr (requires { schedule.next(); }) append(text, ", then (", schedule_options(schedule.next()), ")");
    if constexpr (requires { schedule.for_each_schedule([](auto const&) {}); })
        schedule.for_each_schedule([&](auto const& part) { append(text, ", (", schedule_options(part), ")"); });
    return text;
}
/// A schedule by its rates at some places of a training, and by its options: it may change at other places.
template <class Schedule>
STRATA_COLD std::string schedule_text(Schedule const& schedule) {
    Checksum sum;
    std::string text = "one of rates";
    for (std::int64_t const epoch : {0, 1, 2, 3, 5, 10, 30, 60, 90}) {
        double numbers[2] = {-1, -1};
        try {
            ScheduleValue const value = schedule(0.1, {epoch * 10, epoch, 10, 1000});
            numbers[0] = value.learning_rate;
            if (value.momentum) numbers[1] = *value.momentum;
            append(text, ' ', value.learning_rate);
        } catch (Error const&) { text += " none"; }  // a place that it does not have
        sum.add(numbers, sizeof numbers);
    }
    return concatenate(text, " in epochs 0 1 2 3 5 10 30 60 90 from 0.1 (checksum ", hexadecimal(sum.value()), ")",
                       schedule_options(schedule));
}

/// Two texts that differ, to be shown: of long ones what is around the first difference.
STRATA_COLD inline std::pair<std::string, std::string> shown_difference(std::string_view one, std::string_view other) {
    constexpr std::size_t before = 40, longest = 100;
    std::size_t first = 0;
    while (first < one.size() && first < other.size() && one[first] == other[first]) ++first;
    bool const whole = one.size() <= 2 * longest && other.size() <= 2 * longest;
    std::size_t const begin = whole || first < before ? 0 : first - before;
    auto const part = [&](std::string_view text) {
        std::size_t const end = whole ? text.size() : (std::min)(text.size(), begin + longest);
        return concatenate(begin > 0 ? "..." : "", text.substr(begin, end - begin), end < text.size() ? "..." : "");
    };
    return {part(one), part(other)};
}

}  // namespace strata::inline STRATA_ABI::detail

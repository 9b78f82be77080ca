// Where a training stands, apart from weights and optimizer state: flat numbers that go into a checkpoint as text.
#pragma once

#include <charconv>
#include <map>

#include "metrics.hpp"

namespace strata {

/// Everything that makes the next step what it is, besides weights and optimizer state.
struct TrainingState {
    std::uint64_t seed = 0;
    std::int64_t step = 0;                        ///< training steps taken, skipped ones included
    std::int64_t updates = 0;                     ///< optimizer updates made
    std::int64_t epoch = 0;                       ///< epochs finished
    std::int64_t batch = 0;                       ///< batches of the current epoch finished
    double learning_rate = EpochRecord::unknown;  ///< of the last step
    // Sums over the current epoch, so that its record is the same after a resume.
    double epoch_loss = 0;  ///< sum over samples
    std::int64_t epoch_correct = 0, epoch_samples = 0;
    // What the position in an epoch means depends on these.
    std::int64_t batch_size = 0, dataset_size = 0, shuffle = 1, drop_last = 0;
    History history;
};

namespace detail {
/// Calls f(name, member) for every number of a state.
template <class State, class F>
void for_each_number(State& state, F f) {
    f("seed", state.seed);
    f("step", state.step);
    f("updates", state.updates);
    f("epoch", state.epoch);
    f("batch", state.batch);
    f("learning_rate", state.learning_rate);
    f("epoch_loss", state.epoch_loss);
    f("epoch_correct", state.epoch_correct);
    f("epoch_samples", state.epoch_samples);
    f("batch_size", state.batch_size);
    f("dataset_size", state.dataset_size);
    f("shuffle", state.shuffle);
    f("drop_last", state.drop_last);
}
}  // namespace detail

/// The state as texts of exact numbers.
inline std::map<std::string, std::string> to_metadata(TrainingState const& state) {
    std::map<std::string, std::string> metadata;
    detail::for_each_number(state, [&](char const* name, auto const& number) {
        char digits[64];
        auto const end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        metadata[name] = std::string(digits, end);
    });
    metadata["history"] = to_text(state.history);
    return metadata;
}

/// The state that to_metadata wrote. Throws Error that names `source` and what is missing or malformed.
template <class Metadata>
TrainingState training_state_from(Metadata const& metadata, std::string const& source) {
    TrainingState state;
    auto const text_of = [&](char const* name) -> std::string const& {
        auto const entry = metadata.find(name);
        if (entry == metadata.end()) fail(source, ": the checkpoint has no entry \"", name, "\"");
        return entry->second;
    };
    detail::for_each_number(state, [&](char const* name, auto& number) {
        std::string const& text = text_of(name);
        auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size())
            fail(source, ": the checkpoint's entry \"", name, "\" is \"", text, "\", expected a number");
        if constexpr (std::is_integral_v<std::remove_reference_t<decltype(number)>>)
            if (number < 0) fail(source, ": the checkpoint's entry \"", name, "\" is negative");
    });
    state.history = history_from_text(text_of("history"));
    return state;
}

}  // namespace strata

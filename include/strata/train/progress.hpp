// Progress of a training for people: a bar on a terminal, calm lines in a file or pipe.
#pragma once

#include <time.h>

#include <cstdint>
#include <cstdio>
#include <limits>
#include <string_view>

#include "metrics.hpp"

namespace strata::inline STRATA_ABI {

/// How progress is shown; automatic is bar on a terminal, lines elsewhere.
enum class ProgressStyle : std::uint8_t { automatic, bar, lines, none };

/// Where training stands. What is NaN is not shown.
struct ProgressState {
    static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

    std::int64_t epoch = 0;          ///< epochs done
    std::int64_t epochs = 0;         ///< epochs of the whole training
    std::int64_t sample = 0;         ///< samples of this epoch done
    std::int64_t samples = 0;        ///< samples of an epoch
    double loss = unknown;           ///< mean over the epoch so far
    double accuracy = unknown;       ///< over the epoch so far, in [0, 1]
    double learning_rate = unknown;  ///< of the last step
};

/// Shows the progress of one training.
///
/// Call update after each step (it is cheap: it looks at the clock, and draws at most ten times a second), end_epoch
/// after each epoch. An update before the first step of an epoch makes the rate and ETA exact. Nothing here allocates
/// memory, but stdio may at its first output.
class Progress {
public:
    /// Seconds on a clock that never goes back.
    using Clock = double (*)();

    static constexpr double seconds_between_draws = 0.1;
    static constexpr double seconds_between_lines = 30;

    /// `counted` is what samples are called.
    STRATA_COLD explicit Progress(ProgressStyle style = ProgressStyle::automatic, FILE* output = stdout,
                                  Clock clock = steady_seconds, char const* counted = "images")
        : output_(output),
          clock_(clock),
          counted_(counted),
          style_(style == ProgressStyle::automatic ? suitable_style(output) : style) {}
    Progress(Progress const&) = delete;
    Progress& operator=(Progress const&) = delete;
    /// Ends an unfinished bar, so that what comes next (an error message, say) starts on its own line.
    ~Progress();

    /// The style in use, never automatic.
    [[nodiscard]] ProgressStyle style() const { return style_; }

    /// Takes note of the state, and shows it when it is time to.
    void update(ProgressState const& state);

    /// Ends an epoch with one line that stays.
    void end_epoch(EpochRecord const& record);

    /// Writes a line that stays: above the bar, or among the lines. For messages in the middle of training.
    void print(std::string_view text);

    /// CLOCK_MONOTONIC in seconds.
    static double steady_seconds();

private:
    /// Text of bounded length without allocation; what does not fit is cut off.
    struct Line {
        char text[512];
        std::size_t size = 0;

        __attribute__((format(printf, 2, 3))) void append(char const* format, ...);
        [[nodiscard]] std::string_view view() const { return {text, size}; }
    };

    struct Mark {
        double seconds = 0;
        std::int64_t samples = 0;
    };

    static ProgressStyle suitable_style(FILE* output);

    /// Columns of the terminal, asked for at every draw: windows change their size.
    [[nodiscard]] std::size_t columns() const;

    /// Samples done since the beginning of training.
    static std::int64_t done(ProgressState const& state) { return state.epoch * state.samples + state.sample; }

    /// Samples a second since a mark, 0 if nothing is known yet.
    [[nodiscard]] double rate_since(Mark const& mark, double now) const;

    void append_epoch(Line& line, std::int64_t epoch) const;

    static constexpr int field_count = 5;
    static constexpr int drop_order[field_count] = {2, 3, 1, 4, 0};

    /// Loss, accuracy, learning rate, images (or what else samples are) a second and ETA; empty where unknown.
    void write_fields(Line (&fields)[field_count], double now) const;

    static void append_duration(Line& line, double seconds);

    void draw_bar(double now);

    void append_bar(Line& line, std::size_t width) const;

    void print_line(double now);

    void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), output_); }

    /// Spaces over what is left of a longer bar: no terminal needs to understand an escape sequence.
    void pad(std::size_t size);

    FILE* output_;
    Clock clock_;
    char const* counted_;
    ProgressStyle style_;
    ProgressState state_;
    bool started_ = false;
    std::int64_t epoch_ = -1;
    Mark run_start_, epoch_start_;
    double last_shown_ = 0;
    std::size_t drawn_ = 0;  ///< characters of the bar on screen
};

}  // namespace strata::inline STRATA_ABI

#ifndef STRATA_FILES
#include "progress.ipp"
#endif

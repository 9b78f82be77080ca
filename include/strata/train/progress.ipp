// The functions of progress.hpp that no network type touches.
#pragma once

#include <stdio.h>  // fileno is POSIX, <cstdio> need not declare it
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>

#include "metrics.hpp"
#include "progress.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE Progress::~Progress() {
    if (drawn_ > 0) put("\n");
}

STRATA_DEFINE STRATA_COLD void Progress::update(ProgressState const& state) {
    if (style_ == ProgressStyle::none) return;
    auto const now = clock_();
    if (!started_) {
        started_ = true;
        run_start_ = {now, done(state)};
    }
    if (state.epoch != epoch_) {
        epoch_ = state.epoch;
        epoch_start_ = {now, done(state)};
        // A new bar stands at once, a first line comes after its pause.
        last_shown_ = style_ == ProgressStyle::bar ? -std::numeric_limits<double>::infinity() : now;
    }
    state_ = state;
    auto const pause = style_ == ProgressStyle::bar ? seconds_between_draws : seconds_between_lines;
    if (now - last_shown_ < pause) return;
    last_shown_ = now;
    if (style_ == ProgressStyle::bar)
        draw_bar(now);
    else
        print_line(now);
}

STRATA_DEFINE STRATA_COLD void Progress::end_epoch(EpochRecord const& record) {
    if (style_ == ProgressStyle::none) return;
    Line line;
    append_epoch(line, record.epoch);
    if (!is_nan(record.train_loss)) line.append("  train loss %.4f", record.train_loss);
    if (!is_nan(record.train_accuracy)) line.append("  acc %.2f %%", 100 * record.train_accuracy);
    if (!is_nan(record.test_loss)) line.append("  test loss %.4f", record.test_loss);
    if (!is_nan(record.test_accuracy)) line.append("  acc %.2f %%", 100 * record.test_accuracy);
    for (auto const& head : record.heads) {
        line.append("  %s %.4f", head.name.c_str(), head.train_loss);
        if (!is_nan(head.test_loss)) line.append(" / %.4f", head.test_loss);
    }
    if (!is_nan(record.learning_rate)) line.append("  lr %.4g", record.learning_rate);
    if (!is_nan(record.seconds)) line.append("  %.1f s", record.seconds);
    if (!is_nan(record.images_per_second)) line.append("  %.0f %s/s", record.images_per_second, counted_);
    print(line.view());
}

STRATA_DEFINE STRATA_COLD void Progress::print(std::string_view text) {
    if (style_ == ProgressStyle::none) return;
    if (drawn_ > 0) {
        put("\r");
        pad(0);
        put("\r");
        drawn_ = 0;
    }
    put(text);
    put("\n");
    std::fflush(output_);
}

STRATA_DEFINE double Progress::steady_seconds() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

STRATA_DEFINE __attribute__((format(printf, 2, 3))) void Progress::Line::append(char const* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    auto const wanted = std::vsnprintf(text + size, sizeof text - size, format, arguments);
    va_end(arguments);
    if (wanted > 0) size = (std::min)(size + static_cast<std::size_t>(wanted), sizeof text - 1);
}

STRATA_DEFINE STRATA_COLD ProgressStyle Progress::suitable_style(FILE* output) {
    auto const* const terminal = std::getenv("TERM");
    bool const can_redraw = terminal == nullptr || std::strcmp(terminal, "dumb") != 0;
    return can_redraw && isatty(fileno(output)) == 1 ? ProgressStyle::bar : ProgressStyle::lines;
}

STRATA_DEFINE STRATA_COLD std::size_t Progress::columns() const {
    winsize size{};
    if (ioctl(fileno(output_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    auto const* const variable = std::getenv("COLUMNS");
    auto const value = variable == nullptr ? 0 : std::atoi(variable);
    return value > 0 ? static_cast<std::size_t>(value) : 80;
}

STRATA_DEFINE double Progress::rate_since(Mark const& mark, double now) const {
    auto const samples = static_cast<double>(done(state_) - mark.samples);
    return now > mark.seconds && samples > 0 ? samples / (now - mark.seconds) : 0;
}

STRATA_DEFINE STRATA_COLD void Progress::append_epoch(Line& line, std::int64_t epoch) const {
    if (state_.epochs > 0) {
        // All epochs of a training are equally wide, so that the lines stand in columns.
        auto const width = std::snprintf(nullptr, 0, "%lld", static_cast<long long>(state_.epochs));
        line.append("epoch %*lld/%lld", width, static_cast<long long>(epoch), static_cast<long long>(state_.epochs));
    } else {
        line.append("epoch %lld", static_cast<long long>(epoch));
    }
}

STRATA_DEFINE STRATA_COLD void Progress::write_fields(Line (&fields)[field_count], double now) const {
    if (!is_nan(state_.loss)) fields[0].append("  loss %.4f", state_.loss);
    if (!is_nan(state_.accuracy)) fields[1].append("  acc %.2f %%", 100 * state_.accuracy);
    if (!is_nan(state_.learning_rate)) fields[2].append("  lr %.4g", state_.learning_rate);
    if (auto const rate = rate_since(epoch_start_, now); rate > 0) fields[3].append("  %.0f %s/s", rate, counted_);
    // The rate of the whole run includes evaluation, which the epochs to come will need too.
    auto const left = state_.epochs * state_.samples - done(state_);
    if (auto const rate = rate_since(run_start_, now); rate > 0 && left >= 0)
        append_duration(fields[4], static_cast<double>(left) / rate);
}

STRATA_DEFINE STRATA_COLD void Progress::append_duration(Line& line, double seconds) {
    auto const whole = static_cast<long long>((std::min)(seconds, 1e15) + 0.5);
    auto const hours = whole / 3600, minutes = whole / 60 % 60;
    if (hours > 0)
        line.append("  ETA %lld:%02lld:%02lld", hours, minutes, whole % 60);
    else
        line.append("  ETA %lld:%02lld", minutes, whole % 60);
}

STRATA_DEFINE STRATA_COLD void Progress::draw_bar(double now) {
    constexpr std::size_t shortest_bar = 10, longest_bar = 40, brackets = 3;
    // Writing into the last column would wrap on some terminals.
    auto const room = columns() - 1;
    Line line, fields[field_count];
    append_epoch(line, state_.epoch + 1);
    write_fields(fields, now);
    auto used = line.size + brackets;
    for (auto const& field : fields) used += field.size;
    for (auto const field : drop_order) {
        if (used + shortest_bar <= room) break;
        used -= fields[field].size;
        fields[field].size = 0;
    }
    if (used + shortest_bar <= room) append_bar(line, (std::min)(room - used, longest_bar));
    for (auto const& field : fields) line.append("%.*s", static_cast<int>(field.size), field.text);
    line.size = (std::min)(line.size, room);

    put("\r");
    put(line.view());
    drawn_ = (std::min)(drawn_, room);  // in a window made narrower, longer padding would wrap
    pad(line.size);
    drawn_ = line.size;
    std::fflush(output_);
}

STRATA_DEFINE STRATA_COLD void Progress::append_bar(Line& line, std::size_t width) const {
    auto const share =
        state_.samples <= 0 ? 0.0 : static_cast<double>(state_.sample) / static_cast<double>(state_.samples);
    auto const filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
    line.append(" [");
    for (std::size_t i = 0; i < width; ++i) line.append("%c", i < filled ? '=' : i == filled ? '>' : ' ');
    line.append("]");
}

STRATA_DEFINE STRATA_COLD void Progress::print_line(double now) {
    Line line, fields[field_count];
    append_epoch(line, state_.epoch + 1);
    if (state_.samples > 0)
        line.append("  %3.0f %%", 100 * static_cast<double>(state_.sample) / static_cast<double>(state_.samples));
    write_fields(fields, now);
    for (auto const& field : fields) line.append("%.*s", static_cast<int>(field.size), field.text);
    print(line.view());
}

STRATA_DEFINE STRATA_COLD void Progress::pad(std::size_t size) {
    for (; size < drawn_; ++size) put(" ");
}

}  // namespace strata::inline STRATA_ABI

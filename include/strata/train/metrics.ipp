// The functions of metrics.hpp that no network type touches.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "../core/error.hpp"
#include "../core/exact_text.hpp"
#include "../core/finite.hpp"
#include "../core/read_number.hpp"
#include "metrics.hpp"

namespace strata::inline STRATA_ABI {

STRATA_DEFINE ConfusionMatrix::ConfusionMatrix(int classes) : classes_(classes) {
    if (classes < 1) fail("ConfusionMatrix: the number of classes is ", classes, ", expected at least 1");
    counts_.resize(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes));
}

STRATA_DEFINE void ConfusionMatrix::merge(ConfusionMatrix const& other) {
    if (other.classes_ != classes_) fail("ConfusionMatrix: cannot merge ", other.classes_, " classes into ", classes_);
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
}

STRATA_DEFINE std::int64_t ConfusionMatrix::support(int truth) const {
    std::int64_t sum = 0;
    for (int predicted = 0; predicted < classes_; ++predicted) sum += count(truth, predicted);
    return sum;
}

STRATA_DEFINE std::int64_t ConfusionMatrix::predictions(int predicted) const {
    std::int64_t sum = 0;
    for (int truth = 0; truth < classes_; ++truth) sum += count(truth, predicted);
    return sum;
}

STRATA_DEFINE std::int64_t ConfusionMatrix::total() const {
    std::int64_t sum = 0;
    for (auto const n : counts_) sum += n;
    return sum;
}

STRATA_DEFINE std::int64_t ConfusionMatrix::correct() const {
    std::int64_t sum = 0;
    for (int c = 0; c < classes_; ++c) sum += count(c, c);
    return sum;
}

STRATA_DEFINE std::string ConfusionMatrix::table(std::vector<std::string> const& names) const {
    if (!names.empty() && names.size() != static_cast<std::size_t>(classes_))
        fail("ConfusionMatrix: got ", names.size(), " class names for ", classes_, " classes");
    std::size_t width = std::string_view("accuracy").size();
    for (auto const& name : names) width = (std::max)(width, name.size());

    std::string text = line("class", width, "  precision   recall       F1   support");
    double precision_sum = 0, recall_sum = 0, f1_sum = 0;
    for (int c = 0; c < classes_; ++c) {
        auto const name = names.empty() ? std::to_string(c) : names[static_cast<std::size_t>(c)];
        text += line(name, width, numbers(precision(c), recall(c), f1(c), support(c)));
        precision_sum += precision(c), recall_sum += recall(c), f1_sum += f1(c);
    }
    text += line("mean", width, numbers(precision_sum / classes_, recall_sum / classes_, f1_sum / classes_, total()));
    char cells[96];
    std::snprintf(cells, sizeof cells, "  %7.2f %% (%lld/%lld)", 100 * accuracy(), static_cast<long long>(correct()),
                  static_cast<long long>(total()));
    return text + line("accuracy", width, cells);
}

STRATA_DEFINE std::size_t ConfusionMatrix::index(int truth, int predicted) const {
    if (truth < 0 || truth >= classes_ || predicted < 0 || predicted >= classes_)
        fail("ConfusionMatrix: got truth ", truth, " and prediction ", predicted, ", expected classes from 0 to ",
             classes_ - 1);
    return static_cast<std::size_t>(truth) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(predicted);
}

STRATA_DEFINE double ConfusionMatrix::ratio(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

STRATA_DEFINE std::string ConfusionMatrix::line(std::string text, std::size_t width, std::string_view cells) {
    text.resize((std::max)(width, text.size()), ' ');
    return text.append(cells) + '\n';
}

STRATA_DEFINE std::string ConfusionMatrix::numbers(double precision, double recall, double f1, std::int64_t support) {
    char cells[96];
    std::snprintf(cells, sizeof cells, "  %7.2f %% %6.2f %% %6.2f %% %9lld", 100 * precision, 100 * recall, 100 * f1,
                  static_cast<long long>(support));
    return cells;
}

STRATA_DEFINE HeadRecord const& EpochRecord::head(std::string_view name) const {
    for (auto const& one : heads)
        if (one.name == name) return one;
    fail("there is no record of a head \"", name, "\"");
}

STRATA_DEFINE STRATA_COLD std::string to_text(History const& history) {
    std::string text =
        "epoch step learning_rate train_loss train_accuracy test_loss test_accuracy seconds images_per_second\n";
    for (auto const& r : history) {
        append(text, r.epoch, ' ', r.step);
        for (double const value : {r.learning_rate, r.train_loss, r.train_accuracy, r.test_loss, r.test_accuracy,
                                   r.seconds, r.images_per_second})
            append(text, ' ', exact_text(value));
        for (auto const& head : r.heads) {
            append(text, ' ', head.name);
            for (double const value : {head.train_loss, head.train_accuracy, head.test_loss, head.test_accuracy})
                append(text, ' ', exact_text(value));
        }
        text.push_back('\n');
    }
    return text;
}

STRATA_DEFINE History history_from_text(std::string_view text) {
    auto const header = to_text({});
    if (text.substr(0, header.size()) != header) fail("history: line 1 is not the expected column names");
    text.remove_prefix(header.size());

    History history;
    while (!text.empty()) {
        auto const line_number = history.size() + 2;
        auto const length = text.find('\n');
        if (length == text.npos) fail("history: line ", line_number, " is cut off");
        char const* at = text.data();
        char const* const end = at + length;
        auto const read = [&](auto& value, char const* name) {
            auto const [stop, error] = detail::read_number(at, end, value);
            bool const ends_right = stop == end || *stop == ' ';
            if (error != std::errc{} || !ends_right) fail("history: line ", line_number, " has no valid ", name);
            at = stop == end ? end : stop + 1;
        };
        EpochRecord r;
        read(r.epoch, "epoch");
        read(r.step, "step");
        read(r.learning_rate, "learning_rate");
        read(r.train_loss, "train_loss");
        read(r.train_accuracy, "train_accuracy");
        read(r.test_loss, "test_loss");
        read(r.test_accuracy, "test_accuracy");
        read(r.seconds, "seconds");
        read(r.images_per_second, "images_per_second");
        while (at != end) {
            auto& head = r.heads.emplace_back();
            while (at != end && *at != ' ') head.name.push_back(*at++);
            if (at == end) fail("history: line ", line_number, " goes on after its nine values");
            ++at;
            read(head.train_loss, "train_loss");
            read(head.train_accuracy, "train_accuracy");
            read(head.test_loss, "test_loss");
            read(head.test_accuracy, "test_accuracy");
        }
        history.push_back(r);
        text.remove_prefix(length + 1);
    }
    return history;
}

}  // namespace strata::inline STRATA_ABI

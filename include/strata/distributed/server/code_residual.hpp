// What codes have not said yet of a worker's gradients of a piece, and what it was before the last steps.
#pragma once

#include <algorithm>
#include <deque>
#include <span>
#include <vector>

#include "served_code.hpp"

namespace strata::inline STRATA_ABI::detail {

/// A step of which servers make no update has taken nothing of what earlier ones had left: then it is as if its gradient had
/// never been encoded. To the bit where no other step was encoded since, which is always so but with Ssp.
template <class Gradient>
class CodeResidual {
public:
    CodeResidual(ServedCode const& code, std::size_t count) : left_(count * code.states()) {}

    /// Appends the code of a step's gradient.
    void encode(ServedCode const& code, std::int64_t clock, std::span<Gradient const> gradient,
                std::vector<std::byte>& to) {
        steps_.push_back({clock, std::move(spare_)});
        steps_.back().before = left_;
        code.encode<Gradient>(clock, gradient, left_, to);
    }
    /// What became of the steps before `clock` is known: those of `left_out` made no update.
    void settle(std::int64_t clock, std::span<std::int64_t const> left_out) {
        while (!steps_.empty() && steps_.front().clock < clock) {
            if (std::find(left_out.begin(), left_out.end(), steps_.front().clock) != left_out.end()) take_back();
            spare_ = std::move(steps_.front().before);
            steps_.pop_front();
        }
    }
    [[nodiscard]] std::span<Gradient const> left() const { return left_; }

private:
    struct Step {
        std::int64_t clock;
        std::vector<Gradient> before;
    };
    /// The first of steps_.
    void take_back() {
        if (steps_.size() == 1) return left_.swap(steps_.front().before);
        auto const& before = steps_[0].before;
        auto const after = steps_[1].before;  // a copy: it changes below
        for (std::size_t i = 0; i < left_.size(); ++i) {
            Gradient const taken = before[i] - after[i];
            for (std::size_t k = 1; k < steps_.size(); ++k) steps_[k].before[i] += taken;
            left_[i] += taken;
        }
    }

    std::vector<Gradient> left_, spare_;
    std::deque<Step> steps_;
};

}  // namespace strata::inline STRATA_ABI::detail

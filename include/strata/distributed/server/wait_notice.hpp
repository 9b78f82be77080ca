// Says that a process waits, where it waits for long.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

namespace strata::inline STRATA_ABI::detail {

/// One line on stderr a waiting, first after two seconds. Who has waited often is told of longer ones alone: after twice
/// as long each time, up to a minute.
class WaitNotice {
public:
    using Clock = std::chrono::steady_clock;

    /// Nothing is waited for before `now`.
    void begin(Clock::time_point now) {
        began_ = now;
        said_ = false;
    }
    [[nodiscard]] double seconds(Clock::time_point now) const {
        return std::chrono::duration<double>(now - began_).count();
    }
    /// text() is what it waits for.
    template <class Text>
    void look(Clock::time_point now, double patience, Text const& text) {
        double const waited = seconds(now);
        if (said_ || waited < after_ || waited > patience) return;
        said_ = true;
        after_ = after_ < 30 ? 2 * after_ : 60;
        std::string const what = text();
        std::fprintf(stderr, "%s for %.0f s; it is waited for up to %.0f s\n", what.c_str(), waited, patience);
    }

private:
    Clock::time_point began_{};
    bool said_ = false;
    double after_ = 2;
};

}  // namespace strata::inline STRATA_ABI::detail

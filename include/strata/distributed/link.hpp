// Links between ranks, as a model: what modelled.hpp and simulate.hpp reckon time with.
#pragma once

#include <algorithm>
#include <limits>
#include <span>

#include "../core/error.hpp"

namespace strata::inline STRATA_ABI {

/// A rank's line to all others, the same for all ranks: bytes go out one after another and come in one after another, both
/// at the same time. Source: Alexandrov et al., "LogGP", SPAA 1995.
struct Link {
    double latency = 0;                                          ///< of a message, in seconds
    double bandwidth = std::numeric_limits<double>::infinity();  ///< each way, in bytes a second
    double seconds_per_byte = 0;                                 ///< of the receiver's processor
    double seconds_per_message = 0;                              ///< of the sender's processor
    double burst = 0;  ///< bytes that pass at once after a pause, where token buckets limit the bandwidth

    /// Throws Error where a number is negative, or no number.
    void check() const {
        if (!(latency >= 0) || !(bandwidth > 0) || !(seconds_per_byte >= 0) || !(seconds_per_message >= 0) ||
            !(burst >= 0))
            fail("Link: latency ", latency, " s, bandwidth ", bandwidth, " byte/s, ", seconds_per_byte, " s a byte, ",
                 seconds_per_message, " s a message, burst ", burst,
                 " byte: expected no less than 0, and a bandwidth above it");
    }
};

namespace detail {

/// A message on its way: when its first byte is there, and its size.
struct Arrival {
    double head, bytes;
};

/// A rank's clock and its end of the link.
class Port {
public:
    Port() = default;
    explicit Port(double clock) : clock_(clock) {}

    [[nodiscard]] double clock() const { return clock_; }
    void advance(double seconds) { clock_ += seconds; }
    void wait_until(double time) { clock_ = (std::max)(clock_, time); }

    /// Posts a message; returns when its first byte is at the other end.
    double send(Link const& link, double bytes) {
        clock_ += link.seconds_per_message;
        double const begin = (std::max)(clock_, out_);
        out_ = (std::max)(clock_ - link.burst / link.bandwidth, out_) + bytes / link.bandwidth;
        return begin + link.latency;
    }
    /// A message that was waited for comes in.
    void receive(Link const& link, Arrival arrival) {
        in_ = (std::max)(arrival.head - link.burst / link.bandwidth, in_) + arrival.bytes / link.bandwidth;
        here_ = (std::max)({here_, arrival.head, in_});
        work_ += arrival.bytes * link.seconds_per_byte;
    }
    /// All that was sent has gone and all that was received is here.
    void settle() {
        clock_ = (std::max)({clock_, out_, here_}) + work_;
        work_ = 0;
    }

private:
    double clock_ = 0;
    // When the line is free again, or its bucket would be empty: it begins full.
    double out_ = -std::numeric_limits<double>::infinity(), in_ = out_;
    double here_ = 0;  // when the last message was there
    double work_ = 0;
};

}  // namespace detail
}  // namespace strata::inline STRATA_ABI

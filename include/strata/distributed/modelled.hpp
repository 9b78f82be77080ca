// Modelled: a communicator with the clock of a network that is not there.
#pragma once

#include <deque>
#include <utility>
#include <vector>

#include "communicator.hpp"
#include "link.hpp"

namespace strata::inline STRATA_ABI {

/// Passes everything on, and reckons when it would be done over links of a latency and a bandwidth:
///
///     Modelled communicator(std::move(threads), Link{.latency = 50e-6, .bandwidth = 12.5e6});
///     communicator.advance(0.02);      // computation takes 20 ms
///     exchange.reduce(communicator, …);
///     communicator.clock();            // seconds since the beginning, of this rank
///
/// Nothing sleeps: a message carries the time at which it was sent (eight bytes more behind each). Those that are waited
/// for together come in in the order in which they arrive, so the clock is the same in every run. agree and shrink take no
/// time.
template <Communicator C>
class Modelled {
public:
    Modelled(C communicator, Link link) : communicator_(std::move(communicator)), link_(link) { link_.check(); }

    /// Seconds since the beginning.
    [[nodiscard]] double clock() const { return port_.clock(); }
    /// This rank computes for so long.
    void advance(double seconds) { port_.advance(seconds); }

    [[nodiscard]] int rank() const { return communicator_.rank(); }
    [[nodiscard]] int size() const { return communicator_.size(); }
    void post_send(int to, std::span<std::byte const> bytes) {
        double const& head = heads_.emplace_back(port_.send(link_, static_cast<double>(bytes.size())));
        or_forget([&] {
            communicator_.post_send(to, bytes);
            communicator_.post_send(to, std::as_bytes(std::span(&head, 1)));
        });
    }
    void post_receive(int from, std::span<std::byte> bytes) {
        auto& arrival = arrivals_.emplace_back(detail::Arrival{0, static_cast<double>(bytes.size())});
        or_forget([&] {
            communicator_.post_receive(from, bytes);
            communicator_.post_receive(from, std::as_writable_bytes(std::span(&arrival.head, 1)));
        });
    }
    /// Where it returns true, the clock has gone on to when all was done.
    bool poll() {
        bool done = false;
        or_forget([&] { done = communicator_.poll(); });
        if (done) settle();
        return done;
    }
    void wait() {
        or_forget([&] { communicator_.wait(); });
        settle();
    }
    bool agree(bool ok) { return communicator_.agree(ok); }
    Modelled shrink() {
        Modelled rest(communicator_.shrink(), link_);
        rest.port_ = port_;
        return rest;
    }

private:
    template <class F>
    void or_forget(F const& f) {
        try {
            f();
        } catch (...) {  // the engine has given up what was posted
            forget();
            throw;
        }
    }
    void forget() {
        arrivals_.clear();
        heads_.clear();
    }
    void settle() {
        std::stable_sort(arrivals_.begin(), arrivals_.end(),
                         [](auto const& a, auto const& b) { return a.head < b.head; });
        for (auto const& arrival : arrivals_) port_.receive(link_, arrival);
        port_.settle();
        forget();
    }

    C communicator_;
    Link link_;
    detail::Port port_;
    std::deque<double> heads_;              // of what is sent; a deque leaves them where they are
    std::deque<detail::Arrival> arrivals_;  // of what is waited for
};

}  // namespace strata::inline STRATA_ABI

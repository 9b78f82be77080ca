// simulate: how fast a training would be on ranks that are not there.
//
// The rounds of messages are those that Exchange carries out (exchange_rounds.hpp), on the links that Modelled reckons with
// (link.hpp), without numbers: thousands of ranks take seconds. tests/distributed/simulate_test.cpp holds it against
// closed forms, against real exchanges on modelled links, and against hosts with a slow network; docs/scaling.md shows what
// it says.
#pragma once

#include <cmath>
#include <limits>

#include "../core/random.hpp"
#include "simulated_exchange.hpp"
#include "simulated_servers.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// Throws Error that says what cannot be.
inline void check(Simulation const& s) {
    s.link.check();
    auto const positive = [](char const* what, double value, bool right) {
        if (!right) fail("Simulation: ", what, " ", value, " is out of range");
    };
    positive("ranks", s.ranks, s.ranks >= 1);
    positive("steps", s.steps, s.steps >= 1);
    positive("leaves", s.leaves, s.leaves >= 0);
    positive("servers", s.servers, s.servers >= 0);
    positive("staleness", s.staleness, s.staleness >= 0);
    positive("parameters", static_cast<double>(s.parameters), s.parameters >= 1);
    positive("gradient_bytes", s.gradient_bytes, s.gradient_bytes > 0);
    positive("parameter_bytes", s.parameter_bytes, s.parameter_bytes > 0);
    positive("compute", s.compute, s.compute >= 0);
    positive("forward_share", s.forward_share, s.forward_share >= 0 && s.forward_share <= 1);
    positive("jitter", s.jitter, s.jitter >= 0);
    positive("stragglers", s.stragglers, s.stragglers >= 0 && s.stragglers <= 1);
    positive("slowdown", s.slowdown, s.slowdown >= 1);
    positive("failures", s.failures, s.failures >= 0);
    positive("recovery", s.recovery, s.recovery >= 0);
    if (s.shards < 0 || s.shards % s.ranks != 0)
        fail("Simulation: ", s.shards, " shards, expected a multiple of the ", s.ranks, " ranks");
}

/// How long steps take, and when ranks fail: functions of seed, rank and step alone.
class SimulatedRanks {
public:
    explicit SimulatedRanks(Simulation const& simulation)
        : s_(simulation), slow_(static_cast<int>(std::lround(s_.stragglers * s_.ranks))) {}

    /// Seconds of a rank's step at its n-th attempt to do it.
    [[nodiscard]] double compute(int rank, int step, int attempt = 0) const {
        double seconds = s_.compute * (rank < slow_ ? s_.slowdown : 1);
        if (s_.jitter > 0) {
            auto const key = s_.seed + (static_cast<std::uint64_t>(attempt) << 32);
            seconds *= std::exp(
                s_.jitter * Random(key, Purpose::user, static_cast<std::uint32_t>(rank), std::uint32_t(step)).normal());
        }
        return seconds;
    }
    /// Seconds from one failure of `ranks` ranks together to the next; `stream` is one of them, or s.ranks for all.
    [[nodiscard]] double until_failure(int stream, int number, int ranks) const {
        if (!(s_.failures > 0)) return std::numeric_limits<double>::infinity();
        Random random(~s_.seed, Purpose::user, static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(number));
        return -std::log(1.0 - random.uniform()) / (s_.failures * ranks);
    }

private:
    Simulation s_;
    int slow_;
};

inline Simulated simulate_together(Simulation const& s) {
    SimulatedRanks const ranks(s);
    SimulatedExchange exchange(s);
    Simulated result;
    bool const sharded = s.synchronisation == SimulatedMode::sharded;
    std::vector<double> reduced(exchange.ports().size());  // when each rank had its sums; it computes from then on
    double failure = ranks.until_failure(s.ranks, 0, s.ranks);
    auto const latest = [&] {
        double time = 0;
        for (Port const& port : exchange.ports()) time = (std::max)(time, port.clock());
        return time;
    };
    for (int step = 0, attempt = 0; step < s.steps;) {
        for (std::size_t rank = 0; rank < reduced.size(); ++rank) {
            Port& port = exchange.ports()[rank];
            double const seconds = ranks.compute(static_cast<int>(rank), step, attempt);
            if (sharded) {
                port.wait_until(reduced[rank] + s.forward_share * seconds);
                port.advance((1 - s.forward_share) * seconds);
            } else {
                port.advance(seconds);
            }
        }
        exchange.reduce();
        for (std::size_t rank = 0; rank < reduced.size(); ++rank) reduced[rank] = exchange.ports()[rank].clock();
        exchange.gather();
        if (latest() > failure) {  // all wait for the one that failed, and repeat the step
            double const again = failure + s.recovery;
            for (Port& port : exchange.ports()) port = Port(again);
            reduced.assign(reduced.size(), again);
            failure = again + ranks.until_failure(s.ranks, ++result.failures, s.ranks);
            ++attempt;
            continue;
        }
        ++step;
        attempt = 0;
    }
    result.seconds = latest();
    result.efficiency = s.steps * s.compute / result.seconds;
    result.bytes = exchange.bytes();
    return result;
}

inline Simulated simulate_servers(Simulation const& s) {
    SimulatedRanks const ranks(s);
    SimulatedServers servers(s);
    Simulated result;
    std::vector<double> failure(static_cast<std::size_t>(s.ranks));
    std::vector<int> failures(failure.size());
    for (int rank = 0; rank < s.ranks; ++rank)
        failure[static_cast<std::size_t>(rank)] = ranks.until_failure(rank, 0, 1);
    auto const& ended = servers.run([&](int rank, int step, double time) {
        auto const at = static_cast<std::size_t>(rank);
        for (int attempt = 0;; ++attempt) {
            double const done = time + ranks.compute(rank, step, attempt);
            if (done <= failure[at]) return done;
            time = (std::max)(time, failure[at]) + s.recovery;
            failure[at] = time + ranks.until_failure(rank, ++failures[at], 1);
            ++result.failures;
        }
    });
    double shares = 0;
    for (double const time : ended) {
        result.seconds = (std::max)(result.seconds, time);
        shares += s.steps * s.compute / time;
    }
    // Who has nobody to wait for goes on with other steps until the last one ends.
    result.efficiency =
        s.synchronisation == SimulatedMode::asp ? shares / s.ranks : s.steps * s.compute / result.seconds;
    result.bytes = servers.bytes();
    return result;
}

}  // namespace detail

/// Runs a training without its numbers. The same in every run. Throws Error where an option is out of range.
///
///     auto const run = simulate({.ranks = 1024, .parameters = 25'600'000, .jitter = 0.1});
///     run.efficiency;  // 0.49: so much of 1024 times one rank's speed
///
/// A step of `bsp` takes O(R log R) time, with `ring`, or `direct` up to 256 ranks, O(R²); 4096 ranks take a few seconds for
/// 1000 steps.
inline Simulated simulate(Simulation const& simulation) {
    detail::check(simulation);
    bool const together =
        simulation.synchronisation == SimulatedMode::bsp || simulation.synchronisation == SimulatedMode::sharded;
    return together ? detail::simulate_together(simulation) : detail::simulate_servers(simulation);
}

}  // namespace strata::inline STRATA_ABI

// Workers and parameter servers of a simulation: discrete events, in the order of their time.
#pragma once

#include <functional>
#include <queue>
#include <vector>

#include "simulation.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Every server holds an equal part of the parameters, and a worker sends each of them a part of every gradient; so they
/// are busy alike, and are modelled as one with the bandwidth and the processors of all of them. A pull is asked for with
/// the push: the answer is on its way once all that it has to hold is there.
class SimulatedServers {
public:
    explicit SimulatedServers(Simulation const& simulation)
        : s_(simulation),
          servers_(s_.servers > 0 ? s_.servers : s_.ranks),
          push_(static_cast<double>(s_.parameters) * s_.gradient_bytes),
          pull_(static_cast<double>(s_.parameters) * s_.parameter_bytes),
          ended_(static_cast<std::size_t>(s_.ranks)),
          steps_(ended_.size()),
          arrived_(static_cast<std::size_t>(s_.steps)) {}

    /// When each worker has ended. begin(worker, step, time) returns when a step's gradient is computed.
    template <class Begin>
    std::vector<double> const& run(Begin const& begin) {
        for (int worker = 0; worker < s_.ranks; ++worker) push(worker, begin(worker, 0, 0.0));
        while (!events_.empty()) {
            Event const event = events_.top();
            events_.pop();
            if (event.applied)
                apply(event, begin);
            else
                take_in(event);
        }
        return ended_;
    }
    [[nodiscard]] double bytes() const { return push_; }

private:
    struct Event {
        double time;
        int worker;
        bool applied;  // else a push's first byte has reached the servers
        bool operator>(Event const& other) const {
            if (time != other.time) return time > other.time;
            return worker != other.worker ? worker > other.worker : applied > other.applied;
        }
    };

    void push(int worker, double time) {
        events_.push({time + servers_ * s_.link.seconds_per_message + s_.link.latency, worker, false});
    }
    /// The slowest of the worker's line, the servers' lines and their processors says when it is applied.
    void take_in(Event const& event) {
        in_ = (std::max)(in_, event.time) + push_ / (s_.link.bandwidth * servers_);
        double const here = (std::max)(in_, event.time + push_ / s_.link.bandwidth);
        double const work = push_ * s_.link.seconds_per_byte / servers_;
        busy_ = (std::max)(busy_ + work, here + work);
        events_.push({busy_, event.worker, true});
    }
    template <class Begin>
    void apply(Event const& event, Begin const& begin) {
        int const step = steps_[static_cast<std::size_t>(event.worker)]++;
        if (++arrived_[static_cast<std::size_t>(step)] == s_.ranks) {
            while (complete_ < s_.steps && arrived_[static_cast<std::size_t>(complete_)] == s_.ranks) ++complete_;
            std::vector<int> waiting;
            waiting.swap(waiting_);
            for (int const worker : waiting) pull(worker, event.time, begin);
        }
        pull(event.worker, event.time, begin);
    }
    template <class Begin>
    void pull(int worker, double time, Begin const& begin) {
        int const next = steps_[static_cast<std::size_t>(worker)];
        if (s_.synchronisation == SimulatedMode::ssp && complete_ < next - s_.staleness)
            return waiting_.push_back(worker);
        out_ = (std::max)(out_, time) + pull_ / (s_.link.bandwidth * servers_);
        double const here =
            (std::max)(out_, time + pull_ / s_.link.bandwidth) + s_.link.latency + pull_ * s_.link.seconds_per_byte;
        if (next < s_.steps)
            push(worker, begin(worker, next, here));
        else
            ended_[static_cast<std::size_t>(worker)] = here;
    }

    Simulation s_;
    int servers_;
    double push_, pull_;
    std::vector<double> ended_;
    std::vector<int> steps_;    // that a worker has pushed
    std::vector<int> arrived_;  // pushes of a step
    std::vector<int> waiting_;  // workers whose pull is held back
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    int complete_ = 0;  // steps of which all pushes have arrived
    double in_ = 0, out_ = 0, busy_ = 0;
};

}  // namespace strata::inline STRATA_ABI::detail

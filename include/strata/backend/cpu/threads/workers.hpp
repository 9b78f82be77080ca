// How workers share the leaves of a batch.
#pragma once

#include <algorithm>

#include "../../../program/worker.hpp"
#include "../../leaf_tree.hpp"

namespace strata::inline STRATA_ABI::detail {

/// How `workers` share `items` work items, in runs of neighbours: as many to each worker, then teams for the rest,
/// ⌈workers / items⌉ strong, or, without `teams`, one worker for each of the rest. With fewer `groups` than workers (0: as
/// many as there are), workers form as many teams, with a run each. The assignment never changes a result, only who
/// computes it.
struct Assignment {
    int items, workers;
    bool teams = true;
    bool backwards = false;  ///< each worker begins with its last run: its memory may still be in the cache
    int groups = 0;

    /// The runs, from left to right.
    [[nodiscard]] constexpr int runs() const { return even() ? group_count() : workers + items % workers; }
    [[nodiscard]] constexpr LeafRange run(int index) const {
        if (even()) return leaves_of(index, group_count(), items);
        int const rounds = items / workers, rest = rounds * workers + index - workers;
        return index < workers ? LeafRange{index * rounds, (index + 1) * rounds} : LeafRange{rest, rest + 1};
    }
    /// Calls f(run's index, share of the team, index of the team's barrier and memory) for every run of this worker.
    /// The latter are below min(items, workers). A team must meet at its barrier before it touches its memory: a member
    /// may still be using it for a run of its own.
    template <class F>
    void for_each(int worker, F&& f) const {
        if (even()) {
            if (!teams && group_count() == items) {  // no more groups than items, one worker each
                if (worker < items) f(worker, Share{}, worker);
            } else if (items > 0) {
                auto const [team, share] = team_of(worker, group_count());
                f(team, share, team);
            }
            return;
        }
        int const rest = items % workers;
        for (int turn = 0; turn < 2; ++turn) {
            if ((turn == 0) != backwards) {
                f(worker, Share{}, worker);
            } else if (!teams) {
                if (worker < rest) f(workers + worker, Share{}, worker);
            } else if (rest > 0) {
                auto const [team, share] = team_of(worker, rest);
                f(workers + team, share, worker - share.rank);
            }
        }
    }

private:
    struct Member {
        int team;
        Share share;
    };
    [[nodiscard]] constexpr int group_count() const { return (std::min)(groups > 0 ? groups : workers, items); }
    /// True where teams with a run each do all of it.
    [[nodiscard]] constexpr bool even() const { return group_count() < workers; }
    /// Which of `count` teams of neighbours a worker belongs to.
    [[nodiscard]] Member team_of(int worker, int count) const {
        auto const of = [&](int w) { return static_cast<int>(static_cast<long>(w) * count / workers); };
        int const team = of(worker);
        int first = worker, last = worker;
        while (first > 0 && of(first - 1) == team) --first;
        while (last + 1 < workers && of(last + 1) == team) ++last;
        return {team, {worker - first, last - first + 1}};
    }
};

}  // namespace strata::inline STRATA_ABI::detail

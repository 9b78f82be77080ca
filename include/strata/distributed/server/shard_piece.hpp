// A piece of what a parameter server owns: its clock, the pushes that wait for others, and what became of the last ones.
#pragma once

#include <algorithm>
#include <deque>
#include <limits>
#include <span>
#include <vector>

#include "../../backend/update_range.hpp"
#include "../exchange.hpp"
#include "messages.hpp"

namespace strata::inline STRATA_ABI::detail {

/// Numbers of a piece at most: whole chunks, so that codes of a chunk lie in one. 128 KiB of floats are pushed while others
/// are pulled.
inline constexpr std::size_t piece_numbers = 8 * 4096;
constexpr std::size_t pieces_of(std::size_t count) { return (count + piece_numbers - 1) / piece_numbers; }
/// Numbers [begin, end) of a piece, counted from the first number of its server.
constexpr OwnedRange piece_range(std::size_t piece, std::size_t count) {
    return {piece * piece_numbers, (std::min)((piece + 1) * piece_numbers, count)};
}

struct ShardPiece {
    struct Pending {
        std::int64_t clock;
        std::uint32_t worker;
        std::vector<std::byte> bytes;
    };
    /// A clock that made no update: all workers', of Asp this one's.
    struct LeftOut {
        std::int64_t clock;
        std::uint32_t worker;
    };

    std::int64_t made = 0;           // clocks whose update is in the weights, left out or not; of Asp pushes
    std::int64_t updates = 0;        // that were not left out
    std::vector<std::int64_t> next;  // the clock that each worker has not pushed yet
    std::vector<Pending> pending;
    std::vector<LeftOut> left_out;  // the last ones
    UpdateRange known;
    std::deque<std::vector<std::byte>> codes;  // of what the last versions changed of what workers see
    UpdateFault fault;                         // that left out an update
    std::int64_t fault_version = -1;           // which made this of it

    [[nodiscard]] std::int64_t next_of(std::uint32_t worker) const { return worker < next.size() ? next[worker] : 0; }
    [[nodiscard]] std::int64_t waiting(std::uint32_t worker) const {
        return std::count_if(pending.begin(), pending.end(),
                             [&](Pending const& push) { return push.worker == worker; });
    }
    /// The clock that updates can come to: that of the slowest worker who is not away, or of the last one that was there.
    [[nodiscard]] std::int64_t complete_up_to(std::span<char const> away) const {
        std::int64_t slowest = (std::numeric_limits<std::int64_t>::max)(), last = 0;
        for (std::size_t worker = 0; worker < next.size(); ++worker) {
            last = (std::max)(last, next[worker]);
            if (!away[worker]) slowest = (std::min)(slowest, next[worker]);
        }
        return (std::min)(slowest, last);
    }
    /// The worker that updates wait for.
    [[nodiscard]] std::uint32_t slowest(std::span<char const> away) const {
        std::uint32_t slowest = 0;
        for (std::uint32_t worker = 1; worker < away.size(); ++worker)
            if (!away[worker] && (away[slowest] || next[worker] < next[slowest])) slowest = worker;
        return slowest;
    }

    /// Keeps in mind of which clocks no update was made, as long as a worker may not know: it has to have back what a code
    /// took of what earlier ones had left. Of Asp (staleness -1) each worker's last.
    void note_update(bool is_made, std::int64_t clock, std::uint32_t worker, int staleness) {
        std::erase_if(left_out, [&](LeftOut const& one) {
            return staleness < 0 ? one.worker == worker : one.clock < clock - 1 - staleness;
        });
        if (!is_made) left_out.push_back({clock, worker});
    }
    /// Of these the ones that concern who reads a version.
    [[nodiscard]] std::vector<std::int64_t> left_out_of(std::uint32_t worker, PieceRead const& read,
                                                        std::int64_t version, int staleness) const {
        std::vector<std::int64_t> clocks;
        for (auto const& one : left_out)
            if (staleness < 0 ? one.worker == worker : one.clock < version && one.clock >= read.clock - 1 - staleness)
                clocks.push_back(one.clock);
        return clocks;
    }

    /// Numbers that counters gives besides one for each worker.
    static constexpr std::size_t counters_before = 6;
    /// Appends what a snapshot has to keep: the pushes that wait come again.
    void append_counters(std::size_t workers, std::vector<std::int64_t>& all) const {
        for (std::int64_t const number : {made, updates, std::int64_t{static_cast<std::uint8_t>(fault.part)},
                                          std::int64_t{fault.state}, fault.index, fault_version})
            all.push_back(number);
        for (std::uint32_t worker = 0; worker < workers; ++worker) all.push_back(next_of(worker) - waiting(worker));
    }
    void set_counters(std::span<std::int64_t const> all) {
        made = all[0];
        updates = all[1];
        fault = {static_cast<UpdateFault::Part>(all[2] & 3), static_cast<int>(all[3]), all[4]};
        fault_version = all[5];
        next.assign(all.begin() + counters_before, all.end());
    }
};

}  // namespace strata::inline STRATA_ABI::detail

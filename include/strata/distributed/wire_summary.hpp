// What a step sends, by the number of ranks, as text: the part of a network's summary that needs ranks.
#pragma once

#include <cstdio>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../network/summary.hpp"
#include "link.hpp"
#include "wire.hpp"

namespace strata::inline STRATA_ABI {

namespace detail {

/// One number of ranks: what the rank with the most of it sends, and how often ranks wait for one another.
struct WireRow {
    int ranks, at_work;
    int rounds;
    Wire most;

    /// Seconds at least: all bytes go out one after another, and each round waits for a message.
    [[nodiscard]] double seconds(Link const& link) const {
        return static_cast<double>(most.bytes) / link.bandwidth + rounds * link.latency;
    }
};

/// Everything but what the network and its policies say.
STRATA_COLD inline std::string wire_table(std::string_view ways, int batch, std::span<WireRow const> rows) {
    std::string text = concatenate("a step of ", batch, " samples, ", ways, ": what a rank sends\n");
    char line[160];
    std::snprintf(line, sizeof line, "%6s  %7s  %10s  %8s  %10s  %10s  %10s  %10s\n", "ranks", "at work", "bytes",
                  "messages", "buffers", "1 Gbit/s", "10 Gbit/s", "100 Gbit/s");
    text += line;
    for (WireRow const& row : rows) {
        auto const milliseconds = [&](double gigabits) {
            double const time = 1e3 * row.seconds({.latency = 20e-6, .bandwidth = gigabits * 1e9 / 8});
            char digits[32];
            std::snprintf(digits, sizeof digits, "%.*f ms", time < 9.995 ? 2 : time < 99.95 ? 1 : 0, time);
            return std::string(digits);
        };
        std::snprintf(line, sizeof line, "%6d  %7d  %10s  %8zu  %10s  %10s  %10s  %10s\n", row.ranks, row.at_work,
                      format_bytes(static_cast<std::int64_t>(row.most.bytes)).c_str(), row.most.messages,
                      format_bytes(static_cast<std::int64_t>(row.most.buffer_bytes)).c_str(), milliseconds(1).c_str(),
                      milliseconds(10).c_str(), milliseconds(100).c_str());
        text += line;
    }
    return text;
}

/// A way of DataParallel, as its user spells it.
template <class Way>
std::string way_text(Way const& way) {
    if constexpr (shard_level<Way> > 0)
        return concatenate("Sharded<", shard_level<Way>, ">");
    else if constexpr (is_compression<Way>)
        return concatenate("codes of ", way.text());
    else
        return "";
}

}  // namespace detail

/// The wire of a step of DataParallel for each of some numbers of ranks, a line each, in plain ASCII: how many of the ranks
/// have leaves of the batch to work on; bytes, messages and buffers (besides the gradients) of the rank that has the most of
/// them, which are wire_of's; and what the wire takes at least on lines of 1, 10 and 100 Gbit/s and 20 microseconds.
/// simulate.hpp says more about time. Throws Error where a number of ranks or an option makes no sense.
///
///     std::puts(wire_summary<LeNet>(256, {2, 4, 8}).c_str());
///     wire_summary<LeNet>(256, {2, 4, 8}, Cpu{.leaves = 8}, Sharded<1>{}, Compressed<Int8>{});
template <class Net, class Precision = Float32, class... Ways>
STRATA_COLD std::string wire_summary(int batch, std::initializer_list<int> numbers_of_ranks, Cpu cpu = {},
                                     Ways const&... ways) {
    using Layout = detail::BatchLayout<Net, Precision, CrossEntropy>;
    constexpr int level = (detail::shard_level<Ways> + ... + 0);
    if (batch < 1) fail("wire_summary: batch is ", batch, ", expected at least 1");
    auto const compression = detail::compression_among(ways...);
    int shards = 0;
    if constexpr ((detail::is_compression<Ways> || ... || false)) {
        compression.check();
        shards = compression.shards;
    }
    std::string text;
    [[maybe_unused]] auto const name = [&](std::string const& way) {
        if (!way.empty()) text += concatenate(text.empty() ? "" : ", ", way);
    };
    (name(detail::way_text(ways)), ...);

    // Every gathering of sums and results is a round of its own.
    int gathers = 1 + (level > 0 ? 2 : 0) + (Net::has_input_gradient ? 1 : 0);
    detail::for_batch_passes<Net>([&](int) { ++gathers; });

    int const leaves = Layout::tiling(batch, Layout::most_leaves(cpu)).leaves;
    std::vector<detail::WireRow> rows;
    for (int const ranks : numbers_of_ranks) {
        if (ranks < 1) fail("wire_summary: ", ranks, " ranks, expected at least 1");
        detail::WireRow row{ranks, 0, 0, {}};
        if (ranks > 1) {
            row.rounds = gathers;
            OwnedParts const parts(0, ranks, detail::ranges_of_level<Net, level>);
            for (int k = 0; k < parts.ranges(); ++k) {
                ExchangeRounds const rounds(0, ranks, leaves, parts.range(k).size());
                row.rounds += shards > 0 ? 1 : rounds.reduce_rounds();
                if (level < 3) row.rounds += shards > 0 && level == 0 ? 1 : rounds.gather_rounds();
            }
            if (level == 3) row.rounds += 2 * ParameterGroups<Net>::count - 1;  // forward and backward
        }
        for (int rank = 0; rank < ranks; ++rank) {
            row.at_work += detail::LeafDeal{rank, ranks, shards}.leaves(leaves).size() > 0 ? 1 : 0;
            Wire const one = wire_of<Net, Precision>(batch, ranks, rank, cpu, ways...);
            row.most.bytes = (std::max)(row.most.bytes, one.bytes);
            row.most.messages = (std::max)(row.most.messages, one.messages);
            row.most.buffer_bytes = (std::max)(row.most.buffer_bytes, one.buffer_bytes);
        }
        rows.push_back(row);
    }
    return detail::wire_table(text.empty() ? "plain gradients" : text, batch, rows);
}

}  // namespace strata::inline STRATA_ABI

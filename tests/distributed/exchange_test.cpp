// labels: threads
// The sum over ranks has the bits of the executor's tree on one rank, and what goes over the wire is what was predicted.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <strata/core/random.hpp>
#include <strata/distributed/exchange.hpp>
#include <strata/distributed/faulty.hpp>
#include <strata/distributed/recorded.hpp>
#include <strata/distributed/threads.hpp>

using namespace strata;

namespace {

/// [leaves][count]
std::vector<std::vector<float>> leaf_gradients(int leaves, std::size_t count) {
    std::vector<std::vector<float>> all(static_cast<std::size_t>(leaves), std::vector<float>(count));
    Random random(5, Purpose::user);
    for (auto& leaf : all)
        for (float& g : leaf) g = static_cast<float>(random.normal() * std::pow(2.0, random.below(20)));
    return all;
}

/// As backend/cpu/step/update.hpp merges them.
std::vector<float> merged(std::vector<std::vector<float>> leaves) {
    for (std::size_t distance = 1; distance < leaves.size(); distance *= 2)
        for (std::size_t leaf = 0; leaf + distance < leaves.size(); leaf += 2 * distance)
            for (std::size_t i = 0; i < leaves[leaf].size(); ++i) leaves[leaf][i] += leaves[leaf + distance][i];
    return leaves[0];
}

/// The sums of nodes, of a rank's leaves alone.
std::vector<std::vector<float>> node_sums(TreeNodes const& nodes, std::vector<std::vector<float>> const& leaves) {
    std::vector<std::vector<float>> sums;
    for (int k = 0; k < nodes.count(); ++k) {
        auto const first = static_cast<std::size_t>(nodes[k].first),
                   end = std::min(leaves.size(), first + static_cast<std::size_t>(nodes[k].size));
        sums.push_back(merged(
            {leaves.begin() + static_cast<std::ptrdiff_t>(first), leaves.begin() + static_cast<std::ptrdiff_t>(end)}));
    }
    return sums;
}

/// Bytes and messages.
using Sent = std::pair<std::size_t, std::size_t>;
template <Communicator C>
Sent sent_by(Recorded<C> const& communicator) {
    auto const& messages = communicator.messages();
    return {communicator.bytes_sent(), static_cast<std::size_t>(std::count_if(messages.begin(), messages.end(),
                                                                              [](auto const& m) { return m.sent; }))};
}

/// Six steps of a descent whose gradients are sums over leaves, on ranks of which some are killed: what those who are
/// left have in the end, all of them the same.
std::vector<float> descended(int ranks, int leaves, std::vector<Fault> const& faults) {
    constexpr int steps = 6;
    constexpr std::size_t count = 2 * 4096 + 5;
    std::mutex writing;
    std::vector<std::vector<float>> results;
    Threads::run_ranks(ranks, [&](Threads threads) {
        auto const me = static_cast<std::size_t>(threads.rank());
        Faulty communicator(std::move(threads), faults[me]);
        std::vector<float> weights(count, 1.0f), sum(count);
        for (int step = 0; step < steps;) {
            Exchange<float> exchange(communicator.rank(), communicator.size(), leaves, count);
            std::vector<std::vector<float>> gradients(static_cast<std::size_t>(leaves));
            auto const mine = leaves_of(communicator.rank(), communicator.size(), leaves);
            for (int leaf = mine.begin; leaf < mine.end; ++leaf) {
                auto& gradient = gradients[static_cast<std::size_t>(leaf)];
                for (std::size_t i = 0; i < count; ++i)
                    gradient.push_back(weights[i] *
                                       std::sin(static_cast<float>(leaf * 7 + step) + 0.01f * static_cast<float>(i)));
            }
            bool ok = true;
            try {
                auto sums = node_sums(exchange.nodes(), gradients);
                std::vector<float*> own;
                for (auto& node : sums) own.push_back(node.data());
                exchange.reduce(communicator, own, sum.data() + exchange.owned().begin);
                exchange.gather(communicator, sum.data());
            } catch (RankLost const&) { ok = false; }
            if (!communicator.agree(ok)) {  // the leaves are dealt out anew, and the step begins again
                communicator = communicator.shrink();
                continue;
            }
            for (std::size_t i = 0; i < count; ++i) weights[i] -= 0.05f * sum[i];
            ++step;
        }
        std::lock_guard const lock(writing);
        results.push_back(std::move(weights));
    });
    for (auto const& result : results) CHECK(result == results[0]);
    return results.empty() ? std::vector<float>() : results[0];
}

}  // namespace

TEST_CASE("the nodes of runs of leaves") {
    auto const nodes = [](int begin, int end, int leaves) {
        TreeNodes const found({begin, end}, leaves);
        std::vector<TreeNode> list;
        for (int k = 0; k < found.count(); ++k) list.push_back(found[k]);
        return list;
    };
    using List = std::vector<TreeNode>;
    CHECK(nodes(0, 32, 32) == List{{0, 32}});
    CHECK(nodes(0, 11, 32) == List{{0, 8}, {8, 2}, {10, 1}});
    CHECK(nodes(11, 22, 32) == List{{11, 1}, {12, 4}, {16, 4}, {20, 2}});
    CHECK(nodes(4, 7, 7) == List{{4, 4}});  // the end of the tree, which has no more leaves
    CHECK(nodes(5, 7, 7) == List{{5, 1}, {6, 1}});
    CHECK(nodes(3, 3, 7).empty());
    static_assert(TreeNodes({0, 8}, 32).count() == 1);
}

TEST_CASE("any number of ranks and leaves: the bits of one rank, the bytes that were predicted") {
    std::size_t const count = 3 * 4096 + 17;
    for (int const leaves : {1, 2, 3, 5, 7, 8, 12, 16, 32}) {
        auto const gradients = leaf_gradients(leaves, count);
        auto const expected = merged(gradients);
        for (int ranks = 1; ranks <= 8; ++ranks) {
            CAPTURE(leaves);
            CAPTURE(ranks);
            std::vector<std::vector<float>> results(static_cast<std::size_t>(ranks));
            std::vector<char> as_predicted(results.size());
            Threads::run_ranks(ranks, [&](Threads threads) {
                Recorded communicator(std::move(threads));
                int const rank = communicator.rank();
                Exchange<float> exchange(rank, ranks, leaves, count);
                auto sums = node_sums(exchange.nodes(), gradients);
                std::vector<float*> own;
                for (auto& sum : sums) own.push_back(sum.data());
                // The sum's place may be one of the nodes'.
                std::vector<float> apart(count);
                float* const numbers = rank % 2 == 0 && !own.empty() ? own[0] : apart.data();
                exchange.reduce(communicator, own, numbers + exchange.owned().begin);
                Sent const reduced = sent_by(communicator);
                communicator.clear();
                exchange.gather(communicator, numbers);
                Sent const gathered = sent_by(communicator);
                as_predicted[static_cast<std::size_t>(rank)] =
                    reduced == Sent{exchange.reduce_bytes(), exchange.reduce_messages()} &&
                    gathered == Sent{exchange.gather_bytes(), exchange.gather_messages()};
                results[static_cast<std::size_t>(rank)].assign(numbers, numbers + count);
            });
            for (auto const& result : results) CHECK(result == expected);
            for (char const right : as_predicted) CHECK(right);
        }
    }
}

TEST_CASE("ranks that are powers of two send 2 (R - 1) / R of the numbers in 2 log2 R messages") {
    for (int const ranks : {2, 4, 8, 32}) {
        std::size_t const count = 64 * 4096;
        for (int rank = 0; rank < ranks; ++rank) {
            Exchange<float> const exchange(rank, ranks, 32, count);
            CHECK(exchange.reduce_bytes() + exchange.gather_bytes() ==
                  2 * static_cast<std::size_t>(ranks - 1) * count / static_cast<std::size_t>(ranks) * sizeof(float));
            CHECK(exchange.reduce_messages() + exchange.gather_messages() ==
                  2 * static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(ranks)) - 1));
        }
    }
}

TEST_CASE("the parts of the ranks are all of the numbers, whole chunks, and what a rank sends another one receives") {
    static_assert(part_of(1, 8) == 4 && part_of(6, 8) == 3 && part_of(5, 6) == 5 && part_of(0, 1) == 0);
    static_assert(owned_range(1, 4, 5 * 4096 + 1) == OwnedRange{3 * 4096, 4 * 4096});
    static_assert(ExchangeRounds(3, 8, 32, 1 << 20).reduce_traffic().messages == 3);
    for (int ranks = 1; ranks <= 33; ++ranks) {
        CAPTURE(ranks);
        for (std::size_t const count : {std::size_t{1}, std::size_t{5 * 4096 + 1}, std::size_t{40 * 4096}}) {
            std::vector<int> owners(count);
            for (int rank = 0; rank < ranks; ++rank) {
                OwnedRange const range = owned_range(rank, ranks, count);
                for (std::size_t i = range.begin; i < range.end; ++i) ++owners[i];
                CHECK((range.begin % 4096 == 0 || range.begin == count));
            }
            CHECK(std::all_of(owners.begin(), owners.end(), [](int n) { return n == 1; }));
            for (int const leaves : {3, 8, 32}) {
                auto const rounds = [&](int rank) { return ExchangeRounds(rank, ranks, leaves, count); };
                for (int rank = 0; rank < ranks; ++rank) {
                    auto const check = [&](Transfer const& mine, Transfer const& theirs) {
                        if (theirs.from != rank) return;
                        CHECK(mine.sent == theirs.received);
                        CHECK(mine.sent_arrays == theirs.received_arrays);
                    };
                    for (int round = 0; round < rounds(rank).reduce_rounds(); ++round)
                        rounds(rank).for_each_reduce(round, [&](Transfer const& mine) {
                            rounds(mine.to).for_each_reduce(round, [&](Transfer const& t) { check(mine, t); });
                        });
                    for (int round = 0; round < rounds(rank).gather_rounds(); ++round)
                        rounds(rank).for_each_gather(round, [&](Transfer const& mine) {
                            rounds(mine.to).for_each_gather(round, [&](Transfer const& t) { check(mine, t); });
                        });
                }
            }
        }
    }
}

TEST_CASE("nodes that do not lie side by side are an error") {
    std::vector<float> a(4), b(4);
    TreeNode const nodes[] = {{0, 2}, {3, 1}};
    float* const numbers[] = {a.data(), b.data()};
    CHECK_THROWS_WITH_AS(add_nodes<float>(nodes, numbers, 4), "add_nodes: a node from leaf 3, expected 2", Error);
}

TEST_CASE("messages dropped and delayed anywhere: the same bits") {
    std::vector<float> const expected[] = {descended(1, 7, {Fault{}}), descended(1, 8, {Fault{}})};
    Random random(12, Purpose::user);
    for (int run = 0; run < 60; ++run) {
        CAPTURE(run);
        std::vector<Fault> faults(2 + random.below(4));
        for (Fault& fault : faults) {  // 24 to 100 messages in six steps
            if (random.below(2) == 0) fault.drop_message = random.below(100);
            if (random.below(2) == 0) fault.delay_message = random.below(100);
            fault.delay_polls = random.below(5);
        }
        if (random.below(2) == 0) faults.back().kill_at_byte = random.below(150000);
        CHECK(descended(static_cast<int>(faults.size()), 7 + run % 2, faults) == expected[run % 2]);
    }
}

TEST_CASE("ranks killed at any byte of the exchange: the others end with the bits of one rank") {
    std::vector<float> const expected[] = {descended(1, 7, {Fault{}}), descended(1, 8, {Fault{}})};
    Random random(11, Purpose::user);
    int killed = 0;
    for (int run = 0; run < 100; ++run) {
        CAPTURE(run);
        int const ranks = 2 + static_cast<int>(random.below(5));
        std::vector<Fault> faults(static_cast<std::size_t>(ranks));
        for (std::size_t rank = 1; rank < faults.size(); ++rank)  // one is left, whoever goes
            if (random.below(2) == 0) faults[rank].kill_at_byte = random.below(150000), ++killed;
        CHECK(descended(ranks, 7 + run % 2, faults) == expected[run % 2]);
    }
    CHECK(killed > 100);
}

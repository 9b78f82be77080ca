// The sums of leaves: the tree's bits, however leaves are shared by ranks and workers, in few arenas.
#include "strata/backend/cpu/step/leaf_gradients.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "strata/core/random.hpp"

using namespace strata;
using detail::Assignment;
using detail::LeafGradients;
using detail::LeafRange;

namespace {
constexpr std::size_t count = 37;  // no whole number of vectors
using Numbers = std::vector<float>;

/// Leaf k takes in leaf k + distance for distances 1, 2, 4, …
Numbers tree_of(std::vector<Numbers> leaves) {
    for (std::size_t distance = 1; distance < leaves.size(); distance *= 2)
        for (std::size_t leaf = 0; leaf + distance < leaves.size(); leaf += 2 * distance)
            for (std::size_t i = 0; i < count; ++i) leaves[leaf][i] += leaves[leaf + distance][i];
    return leaves[0];
}
std::vector<Numbers> some_leaves(int number) {
    Random random(7, Purpose::user);
    std::vector<Numbers> leaves(static_cast<std::size_t>(number), Numbers(count));
    for (auto& leaf : leaves)
        for (float& x : leaf) x = static_cast<float>(random.normal());
    return leaves;
}
/// What a rank sums; all workers of a team do its run, each its share.
void sum(LeafGradients<float>& sums, LeafRange own, std::vector<Numbers> const& leaves, Assignment assignment) {
    std::vector<int> seen(leaves.size());
    sums.begin(own, static_cast<int>(leaves.size()), assignment);
    for (int worker = 0; worker < assignment.workers; ++worker)
        assignment.for_each(worker, [&](int run, detail::Share team, int) {
            if (team.rank > 0) return;
            sums.sum_run(
                run, assignment.backwards,
                [&](int leaf, float* arena) {
                    auto const index = static_cast<std::size_t>(leaf);
                    ++seen[index];
                    std::copy(leaves[index].begin(), leaves[index].end(), arena);
                },
                [](float* into, float const* other) { detail::add_numbers(into, other, 0, count); });
        });
    for (int leaf = 0; leaf < static_cast<int>(leaves.size()); ++leaf)
        CHECK(seen[static_cast<std::size_t>(leaf)] == (leaf >= own.begin && leaf < own.end));
    sums.merge_runs({0, 1}, count);
}
}  // namespace

TEST_CASE("one rank's sum is the tree's, for all numbers of leaves, workers and groups") {
    for (int const number : {1, 2, 3, 5, 7, 8, 12, 31, 32, 33, 100}) {
        auto const leaves = some_leaves(number);
        Numbers const expected = tree_of(leaves);
        for (int const workers : {1, 2, 3, 5, 16})
            for (int groups = 1; groups <= workers; groups += 2)
                for (bool const backwards : {false, true}) {
                    CAPTURE(number);
                    CAPTURE(workers);
                    CAPTURE(groups);
                    LeafGradients<float> sums(count, number, workers);
                    sum(sums, {0, number}, leaves, {number, workers, true, backwards, groups});
                    CHECK(std::equal(expected.begin(), expected.end(), sums.gradient().begin()));
                    float* nodes[64];
                    CHECK(sums.sums(nodes) == 1);
                }
    }
}

TEST_CASE("a rank's sums are its nodes of the tree") {
    for (int const number : {2, 7, 20, 32})
        for (int begin = 0; begin < number; begin += 3)
            for (int end = begin + 1; end <= number; end += 2) {
                auto const leaves = some_leaves(number);
                LeafGradients<float> sums(count, number, 2);
                sum(sums, {begin, end}, leaves, {end - begin, 2});
                TreeNodes const expected({begin, end}, number);
                float* nodes[64];
                REQUIRE(sums.sums(nodes) == expected.count());
                for (int k = 0; k < expected.count(); ++k) {
                    auto const first = leaves.begin() + expected[k].first;
                    auto const last = leaves.begin() + std::min(expected[k].first + expected[k].size, number);
                    Numbers const node = tree_of({first, last});
                    CHECK(std::equal(node.begin(), node.end(), nodes[k]));
                }
            }
}

TEST_CASE("one worker needs an arena for each height, and large networks fewer teams") {
    static_assert(detail::arenas_of({0, 32}, 32, Assignment{32, 1}) == 6);
    static_assert(detail::arenas_of({0, 4096}, 4096, Assignment{4096, 1}) == 13);
    static_assert(detail::arenas_of({0, 32}, 32, Assignment{32, 2}) == 10);
    static_assert(detail::most_arenas(32, 32, 32) <= 32);
    static_assert(detail::groups_of(32, 2, 4 * 62006) == 2);
    static_assert(detail::groups_of(32, 2, 4 * 25'000'000) == 1);
    for (int workers = 1; workers <= 8; ++workers)
        for (int leaves = 1; leaves <= 32; ++leaves)
            CHECK(detail::arenas_of({0, leaves}, leaves, Assignment{leaves, workers}) <=
                  detail::most_arenas(32, workers, workers));
}

TEST_CASE("the loss scale is divided out, and the largest magnitude found") {
    float gradient[] = {1, -8, 4};
    double largest = 0;
    detail::unscale(gradient, 3, 4, {0, 1}, 0, 3, &largest);
    CHECK(largest == 2);
    CHECK(gradient[1] == -2);
    gradient[0] = std::numeric_limits<float>::quiet_NaN();
    detail::unscale(gradient, 3, 1, {0, 1}, 0, 3, &largest);
    CHECK(std::isnan(largest));
    detail::unscale(gradient, 3, 1, {0, 1}, 3, 3, &largest);  // another rank's
    CHECK(largest == 0);
}

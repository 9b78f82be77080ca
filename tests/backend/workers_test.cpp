// How workers share the leaves of a batch.
#include "strata/backend/cpu/threads/workers.hpp"

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "strata/backend/cpu/cpu.hpp"

using namespace strata;
using detail::Assignment;
using detail::Share;

namespace {
struct Part {
    int item;
    Share share;
    int slot;
    bool operator==(Part const& other) const {
        return item == other.item && share.rank == other.share.rank && share.size == other.share.size &&
               slot == other.slot;
    }
};
std::vector<Part> parts_of(Assignment const& assignment, int worker) {
    std::vector<Part> parts;
    assignment.for_each(worker, [&](int index, Share share, int slot) {
        detail::LeafRange const run = assignment.run(index);
        CHECK(index < assignment.runs());
        for (int k = 0; k < run.size(); ++k)
            parts.push_back({assignment.backwards ? run.end - 1 - k : run.begin + k, share, slot});
    });
    return parts;
}
}  // namespace

TEST_CASE("every item is done once, by one worker or by all members of a team") {
    for (int items = 0; items <= 20; ++items)
        for (int workers = 1; workers <= 7; ++workers)
            for (bool const teams : {false, true})
                for (int groups = 1; groups <= workers; ++groups) {
                    CAPTURE(items);
                    CAPTURE(workers);
                    CAPTURE(teams);
                    CAPTURE(groups);
                    Assignment const assignment{items, workers, teams, false, groups};
                    std::map<int, std::vector<Part>> by_item;
                    for (int worker = 0; worker < workers; ++worker)
                        for (Part const& part : parts_of(assignment, worker)) {
                            CHECK(part.slot < std::min(items, workers));
                            by_item[part.item].push_back(part);
                        }
                    CHECK(static_cast<int>(by_item.size()) == items);
                    for (auto const& [item, parts] : by_item) {
                        CHECK(item < items);
                        CHECK(static_cast<int>(parts.size()) == parts[0].share.size);
                        if (!teams && groups >= std::min(items, workers)) CHECK(parts.size() == 1);
                        for (std::size_t k = 0; k < parts.size(); ++k) {
                            CHECK(parts[k].share.rank == static_cast<int>(k));
                            CHECK(parts[k].slot == parts[0].slot);
                        }
                    }
                    int end = 0;
                    for (int run = 0; run < assignment.runs(); end = assignment.run(run++).end) {
                        CHECK(assignment.run(run).begin == end);
                        CHECK(assignment.run(run).size() > 0);
                    }
                    CHECK(end == items);
                }
}

TEST_CASE("with teams, fewer items than workers occupy all of them") {
    for (int workers = 1; workers <= 7; ++workers)
        for (int items = 1; items <= workers; ++items)
            for (int worker = 0; worker < workers; ++worker) CHECK(parts_of({items, workers}, worker).size() == 1);
}

TEST_CASE("backwards, each worker does the same in the opposite order") {
    for (int items = 0; items <= 20; ++items)
        for (int workers = 1; workers <= 7; ++workers)
            for (bool const teams : {false, true})
                for (int worker = 0; worker < workers; ++worker) {
                    auto const forwards = parts_of({items, workers, teams}, worker),
                               backwards = parts_of({items, workers, teams, true}, worker);
                    CHECK(std::vector<Part>(backwards.rbegin(), backwards.rend()) == forwards);
                }
}

TEST_CASE("shares cover the items, in order") {
    for (int items = 0; items <= 20; ++items)
        for (int size = 1; size <= 7; ++size) {
            int at = 0;
            for (int rank = 0; rank < size; ++rank) {
                Share const share{rank, size};
                CHECK(share.begin(items) == at);
                CHECK(share.end(items) >= at);
                at = share.end(items);
            }
            CHECK(at == items);
        }
}

TEST_CASE("without strata/openmp.hpp, Team::openmp is an error that says what to do") {
    CHECK_THROWS_WITH_AS(detail::worker_count({.threads = 2, .team = Team::openmp}),
                         "Cpu: Team::openmp needs #include <strata/openmp.hpp> and -fopenmp (CMake: strata::openmp)",
                         Error);
}

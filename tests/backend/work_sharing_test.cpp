// labels: threads
// A serial run would pass every test of determinism: all workers take part, each with its share.
#include <map>
#include <mutex>
#include <strata/strata.hpp>
#include <thread>

#include "../train/small_training.hpp"

using namespace strata;

namespace {

std::mutex counting;
std::map<std::thread::id, int> calls;  // by thread

/// The identity, which counts who computes it.
struct Counted {
    static constexpr Keep keep = Keep::nothing;
    template <class L>
    static L forward(L x) {
        std::lock_guard const lock(counting);
        ++calls[std::this_thread::get_id()];
        return x;
    }
    template <class L>
    static L backward(L, L, L dy) {
        return dy;
    }
};
using Net = Network<Input<2, 12, 12>, Conv2d<4, 3>, Counted, Flatten, Linear<5>>;

/// What each thread computed in a training step.
std::vector<int> shares(Cpu cpu, int batch) {
    auto trainer = train<Net>(cpu);
    Loader loader(small_images(64), {.batch_size = batch, .shuffle = false, .threads = 0});
    loader.begin_epoch(0);
    calls.clear();
    trainer.train_step(*loader.next());
    std::vector<int> counts;
    for (auto const& [thread, count] : calls) counts.push_back(count);
    return counts;
}

}  // namespace

TEST_CASE("leaves are dealt out to all workers") {
    auto const one = shares({.threads = 1}, 64), two = shares({.threads = 2}, 64), four = shares({.threads = 4}, 64);
    REQUIRE(one.size() == 1);
    CHECK(two == std::vector<int>(2, one[0] / 2));
    CHECK(four == std::vector<int>(4, one[0] / 4));
}

TEST_CASE("a team shares a single tile") {
    auto const one = shares({.threads = 1}, 16), two = shares({.threads = 2, .team_flops = 0}, 16),
               three = shares({.threads = 3, .team_flops = 0}, 16);
    REQUIRE(one.size() == 1);
    CHECK(two == std::vector<int>(2, one[0] / 2));
    REQUIRE(three.size() == 3);
    for (int const count : three) CHECK(std::abs(count - one[0] / 3) <= 1);
}

TEST_CASE("steps too small for a team are one worker's") {
    CHECK(shares({.threads = 2, .team_flops = 1e12}, 16).size() == 1);
}

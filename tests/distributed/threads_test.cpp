// labels: threads
// Ranks that are threads: messages in order, sizes that differ, ranks that go, agreement and shrinking.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <strata/distributed/recorded.hpp>
#include <strata/distributed/threads.hpp>
#include <string>

using namespace strata;

namespace {

static_assert(Communicator<Threads>);
static_assert(Communicator<Recorded<Threads>>);

template <class T>
std::span<std::byte const> bytes_of(T const& value) {
    return std::as_bytes(std::span(&value, 1));
}
template <class T>
std::span<std::byte> room_of(T& value) {
    return std::as_writable_bytes(std::span(&value, 1));
}
std::string error_of(auto const& action) {
    try {
        action();
    } catch (Error const& error) { return error.what(); }
    return "";
}

}  // namespace

TEST_CASE("messages of a pair arrive in order, whenever they are received") {
    Threads::run_ranks(4, [](Threads c) {
        std::array<std::array<int, 3>, 4> sent, got;
        for (int peer = 0; peer < 4; ++peer)
            for (int k = 0; k < 3; ++k) {
                if (peer == c.rank()) continue;
                auto& value = sent[static_cast<std::size_t>(peer)][static_cast<std::size_t>(k)];
                value = 100 * c.rank() + 10 * peer + k;
                c.post_send(peer, bytes_of(value));
            }
        for (int k = 0; k < 3; ++k)
            for (int peer = 3; peer >= 0; --peer)
                if (peer != c.rank())
                    c.post_receive(peer, room_of(got[static_cast<std::size_t>(peer)][static_cast<std::size_t>(k)]));
        c.wait();
        CHECK(c.poll());
        for (int peer = 0; peer < 4; ++peer)
            for (int k = 0; k < 3; ++k)
                if (peer != c.rank())
                    CHECK(got[static_cast<std::size_t>(peer)][static_cast<std::size_t>(k)] ==
                          100 * peer + 10 * c.rank() + k);
    });
}

TEST_CASE("all_gather, one rank too") {
    for (int const ranks : {1, 2, 5})
        Threads::run_ranks(ranks, [&](Threads c) {
            std::vector<double> const own{c.rank() + 0.5, -c.rank() * 1.0};
            std::vector<double> all(static_cast<std::size_t>(2 * ranks));
            all_gather<Threads, double>(c, own, all);
            for (int rank = 0; rank < ranks; ++rank) {
                CHECK(all[static_cast<std::size_t>(2 * rank)] == rank + 0.5);
                CHECK(all[static_cast<std::size_t>(2 * rank + 1)] == -rank);
            }
        });
}

TEST_CASE("what is wrong with a message is said") {
    auto const run = [](auto const& f) { return error_of([&] { Threads::run_ranks(2, f); }); };
    CHECK(run([](Threads c) {
              double wide = 1;
              float narrow = 0;
              if (c.rank() == 0) c.post_send(1, bytes_of(wide));
              if (c.rank() == 1) c.post_receive(0, room_of(narrow));
              c.wait();
          }) == "rank 1: rank 0 sent 8 bytes, expected 4");
    CHECK(run([](Threads c) {
              int value = 0;
              if (c.rank() == 1) c.post_send(2, bytes_of(value));
          }) == "rank 1: a message with rank 2, expected another one of 2");
    CHECK(error_of([] { Threads::run_ranks(0, [](Threads) {}); }) == "run_ranks: 0 ranks, expected at least 1");
}

TEST_CASE("a rank that goes is noticed by all, who go on without it") {
    for (int const victim : {0, 1, 3}) {
        CAPTURE(victim);
        std::atomic<int> noticed{0}, sum{0};
        CHECK(error_of([&] {
                  Threads::run_ranks(4, [&](Threads c) {
                      if (c.rank() == victim) fail("rank ", victim, " is struck by lightning");
                      std::vector<int> all(4);
                      int const own = c.rank();
                      try {
                          all_gather<Threads, int>(c, std::span(&own, 1), all);
                      } catch (RankLost const&) { ++noticed; }
                      CHECK_FALSE(c.agree(false));
                      c = c.shrink();
                      CHECK(c.size() == 3);
                      std::vector<int> left(3);
                      int const mine = c.rank() + 1;
                      all_gather<Threads, int>(c, std::span(&mine, 1), left);
                      CHECK(left == std::vector<int>{1, 2, 3});
                      sum += own;
                      CHECK(c.agree(true));
                  });
              }) == concatenate("rank ", victim, " is struck by lightning"));
        CHECK(noticed == 3);
        CHECK(sum == 6 - victim);
    }
}

TEST_CASE("who waits for nobody that is gone is not disturbed") {
    Threads::run_ranks(3, [](Threads c) {
        if (c.rank() == 2) return;  // has nothing to do
        int const own = c.rank();
        int other = -1;
        c.post_send(1 - own, bytes_of(own));
        c.post_receive(1 - own, room_of(other));
        c.wait();
        CHECK(other == 1 - own);
    });
}

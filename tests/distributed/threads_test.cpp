// labels: threads
// Ranks that are threads: messages in order, sizes that differ, ranks that go, agreement and shrinking.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <strata/distributed/faulty.hpp>
#include <strata/distributed/recorded.hpp>
#include <strata/distributed/threads.hpp>
#include <string>

using namespace strata;

namespace {

static_assert(Communicator<Threads>);
static_assert(Communicator<Recorded<Threads>>);
static_assert(Communicator<Faulty<Recorded<Threads>>>);

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
          }) == "rank 1: rank 0 sent 8 bytes, expected 4: all ranks have to make the same calls");
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

TEST_CASE("a message that is dropped is noticed by all who wait, and nobody is gone") {
    for (std::uint64_t const dropped : {0u, 1u}) {
        CAPTURE(dropped);
        std::atomic<int> noticed{0}, ended{0};
        Threads::run_ranks(3, [&](Threads threads) {
            Fault const fault{.drop_message = threads.rank() == 1 ? dropped : Fault::never};
            Faulty c(Recorded(std::move(threads)), fault);
            std::vector<int> all(3);
            int const own = c.rank();
            bool ok = true;
            try {
                all_gather(c, std::span(&own, 1), std::span(all));
            } catch (RankLost const&) { ok = false; }
            noticed += ok ? 0 : 1;
            CHECK_FALSE(c.agree(ok));
            c = c.shrink();
            CHECK(c.size() == 3);
            all_gather(c, std::span(&own, 1), std::span(all));
            CHECK(all == std::vector<int>{0, 1, 2});
            CHECK(c.agree(true));
            ++ended;
        });
        CHECK(noticed >= 1);  // the others may have been done before
        CHECK(ended == 3);
    }
}

TEST_CASE("a message that is delayed is overtaken by those to others, not by those to the same rank") {
    Threads::run_ranks(3, [](Threads threads) {
        bool const late = threads.rank() == 0;
        Recorded recorded(std::move(threads));
        Faulty c(std::move(recorded), Fault{.delay_message = late ? 0 : Fault::never, .delay_polls = 2});
        std::array<int, 3> const values{7, 8, 9};
        std::array<int, 2> got{};
        if (late) {
            c.post_send(1, bytes_of(values[0]));
            c.post_send(2, bytes_of(values[2]));
            c.post_send(1, bytes_of(values[1]));
            CHECK_FALSE(c.poll());
            CHECK_FALSE(c.poll());
        } else {
            c.post_receive(0, room_of(got[0]));
            if (c.rank() == 1) c.post_receive(0, room_of(got[1]));
        }
        c.wait();
        CHECK(c.poll());
        if (c.rank() == 1) CHECK(got == std::array{7, 8});
        if (c.rank() == 2) CHECK(got[0] == 9);
    });
    // What the engine under it was given, and when.
    Threads::run_ranks(2, [](Threads threads) {
        struct Seen {
            std::vector<int>* order;
            Threads c;
            [[nodiscard]] int rank() const { return c.rank(); }
            [[nodiscard]] int size() const { return c.size(); }
            void post_send(int to, std::span<std::byte const> bytes) {
                order->push_back(static_cast<int>(bytes.size()));
                c.post_send(to, bytes);
            }
            void post_receive(int from, std::span<std::byte> bytes) { c.post_receive(from, bytes); }
            bool poll() { return order->push_back(0), c.poll(); }
            void wait() { c.wait(); }
            bool agree(bool ok) { return c.agree(ok); }
            Seen shrink() { return {order, c.shrink()}; }
        };
        std::vector<int> order;
        Faulty c(Seen{&order, std::move(threads)}, Fault{.delay_message = 1, .delay_polls = 1});
        std::array<std::byte, 6> out{}, in{};
        for (std::size_t const bytes : {1u, 2u, 3u}) {
            c.post_send(1 - c.rank(), std::span<std::byte const>(out).first(bytes));
            c.post_receive(1 - c.rank(), std::span(in).first(bytes));
        }
        c.wait();
        CHECK(order == std::vector{1, 0, 2, 3, 0});
        std::string const error = error_of([&] {
            Faulty d(std::move(c), Fault{.drop_message = 0});
            d.post_send(1 - d.rank(), out);
        });
        CHECK(error.find("no revoke()") != std::string::npos);
    });
}

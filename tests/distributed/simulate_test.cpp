// labels: plain
// Simulated ranks against closed forms, against real exchanges on modelled links, and against measured ones.
#include <doctest/doctest.h>

#include <cmath>
#include <mutex>
#include <strata/distributed/exchange.hpp>
#include <strata/distributed/modelled.hpp>
#include <strata/distributed/simulate.hpp>
#include <strata/distributed/threads.hpp>

using namespace strata;

namespace {

/// A share of the value itself.
doctest::Approx within(double share, double value) { return doctest::Approx(value).epsilon(share).scale(0); }
/// Sums of doubles in another order.
doctest::Approx near(double value) { return within(1e-12, value); }

constexpr Link slow{.latency = 50e-6, .bandwidth = 100e6 / 8};

/// When the last of some ranks has made `steps` steps with a real exchange of floats, the first rank's twice as long.
double modelled(int ranks, int leaves, std::size_t parameters, int steps, double compute, Link link) {
    std::vector<double> clocks(static_cast<std::size_t>(ranks));
    Threads::run_ranks(ranks, [&](Threads threads) {
        Modelled communicator(std::move(threads), link);
        int const rank = communicator.rank();
        Exchange<float> exchange(rank, ranks, leaves, parameters);
        for (int step = 0; step < steps; ++step) {
            communicator.advance(rank == 0 ? 2 * compute : compute);
            std::vector<std::vector<float>> nodes(static_cast<std::size_t>(exchange.nodes().count()),
                                                  std::vector<float>(parameters, 1.0f));
            std::vector<float*> own;
            for (auto& node : nodes) own.push_back(node.data());
            std::vector<float> sum(parameters);
            exchange.reduce(communicator, own, sum.data() + exchange.owned().begin);
            exchange.gather(communicator, sum.data());
            CHECK(sum[parameters / 2] > 0);
        }
        clocks[static_cast<std::size_t>(rank)] = communicator.clock();
    });
    return *std::max_element(clocks.begin(), clocks.end());
}

}  // namespace

TEST_CASE("a modelled clock: latency, bandwidth, one line each way") {
    Link const link{.latency = 0.5, .bandwidth = 10, .seconds_per_byte = 0.01, .seconds_per_message = 0.125};
    double clocks[3] = {};
    Threads::run_ranks(3, [&](Threads threads) {
        Modelled communicator(std::move(threads), link);
        std::byte out[20] = {}, in[2][20] = {};
        int const rank = communicator.rank();
        if (rank > 0) {
            communicator.advance(rank);
            communicator.post_send(0, out);
        } else {
            communicator.post_receive(2, in[0]);  // it comes last, though it is asked for first
            communicator.post_receive(1, in[1]);
        }
        communicator.wait();
        clocks[rank] = communicator.clock();
    });
    CHECK(clocks[1] == near(1 + 0.125 + 2));
    CHECK(clocks[2] == near(2 + 0.125 + 2));
    // The second message's first byte is there at 2.625, while the first one keeps the line until 3.625.
    CHECK(clocks[0] == near(3.625 + 2 + 40 * 0.01));
    Threads::run_ranks(1, [](Threads threads) {
        CHECK_THROWS_WITH_AS(
            Modelled(std::move(threads), Link{.bandwidth = 0}),
            "Link: latency 0 s, bandwidth 0 byte/s, 0 s a byte, 0 s a message, burst 0 byte: expected no less than 0, "
            "and a bandwidth above it",
            Error);
    });
}

TEST_CASE("a token bucket lets its bytes pass at once, and fills again in a pause") {
    Link const bucket{.latency = 0.5, .bandwidth = 10, .burst = 20};
    detail::Port port;
    auto const send = [&](double bytes) {
        port.send(bucket, bytes);
        port.settle();
        return port.clock();
    };
    CHECK(send(15) == 0);        // 5 are left
    CHECK(send(25) == near(2));  // the other 20 wait
    CHECK(send(10) == near(3));  // it is empty
    port.advance(1);
    CHECK(send(15) == near(4.5));  // 10 bytes came in meanwhile
    detail::Port other;
    other.receive(bucket, {other.clock() + 0.5, 30});
    other.settle();
    CHECK(other.clock() == near(1.5));
    other.receive(bucket, {11.5, 20});  // all at once, but not before it is there
    other.settle();
    CHECK(other.clock() == near(11.5));
    // A message each way: the second one is another rank's, whose bucket is full again.
    std::size_t const parameters = 2 * 4096;
    Simulation s{.ranks = 2, .parameters = parameters, .link = slow, .compute = 0, .steps = 1};
    double const plain = simulate(s).seconds;
    s.link.burst = 4096;
    CHECK(simulate(s).seconds < plain - 4096 / slow.bandwidth * 0.99);
    CHECK(modelled(2, 2, parameters, 1, 0, s.link) == near(simulate(s).seconds));
}

TEST_CASE("a real exchange on modelled links takes what the formula says, and what is simulated") {
    std::size_t const parameters = 16 * 4096;
    double const wire = 4.0 * static_cast<double>(parameters) / slow.bandwidth;
    for (int const ranks : {2, 4, 8}) {
        double const rounds = std::log2(ranks);
        CHECK(modelled(ranks, 8, parameters, 1, 0, slow) ==
              near(2 * rounds * slow.latency + 2 * (ranks - 1.0) / ranks * wire));
    }
    Link const costly{.latency = 50e-6, .bandwidth = 100e6 / 8, .seconds_per_byte = 1e-9, .seconds_per_message = 3e-6};
    for (int ranks = 1; ranks <= 8; ++ranks)
        for (int const leaves : {8, 11}) {
            CAPTURE(ranks);
            CAPTURE(leaves);
            std::size_t const uneven = 11 * 4096 + 77;
            Simulation simulation{.ranks = ranks, .leaves = leaves, .parameters = uneven, .link = costly};
            simulation.compute = 0.01;
            simulation.stragglers = 1.0 / ranks;
            simulation.steps = 3;
            CHECK(simulate(simulation).seconds == near(modelled(ranks, leaves, uneven, 3, 0.01, costly)));
            Exchange<float> const exchange(0, ranks, leaves, uneven);
            if (ranks == 2) {
                double const mean = simulate(simulation).bytes;
                Exchange<float> const other(1, ranks, leaves, uneven);
                CHECK(2 * mean == static_cast<double>(exchange.reduce_bytes() + exchange.gather_bytes() +
                                                      other.reduce_bytes() + other.gather_bytes()));
            }
        }
}

TEST_CASE("measured exchanges of 2, 4 and 8 hosts at 100 Mbit/s") {
    // 248,024 bytes, LeNet's gradient, cut evenly, between network namespaces with a token bucket each way: Open MPI 4.1.4
    // over TCP, the median step of 300, 2026-11-28. The buckets' first 64 KB make up for TCP's and Ethernet's headers.
    for (auto const& [ranks, measured] : {std::pair{2, 19.95e-3}, {4, 29.45e-3}, {8, 34.19e-3}}) {
        Simulation s{.ranks = ranks, .parameters = 8 * 4096, .link = slow, .compute = 0, .steps = 1};
        s.gradient_bytes = s.parameter_bytes = 248'024.0 / (8 * 4096);
        CHECK(simulate(s).seconds == within(0.05, measured));
    }
}

TEST_CASE("ranks that step together: closed forms") {
    Simulation s{.ranks = 64, .parameters = 64 * 4096 * 5, .steps = 7};
    double const wire = 4.0 * static_cast<double>(s.parameters) / s.link.bandwidth, latency = s.link.latency;
    double const halving = 2 * 6 * latency + 2 * 63.0 / 64 * wire;
    CHECK(simulate(s).seconds == near(7 * (0.1 + halving)));
    CHECK(simulate(s).efficiency == near(0.1 / (0.1 + halving)));
    CHECK(simulate(s).bytes == near(2 * 63.0 / 64 * 4 * static_cast<double>(s.parameters)));
    s.collective = Collective::ring;
    CHECK(simulate(s).seconds == near(7 * (0.1 + 2 * 63 * latency + 2 * 63.0 / 64 * wire)));
    s.collective = Collective::direct;
    double const straight = 2 * latency + 2 * 63.0 / 64 * wire;
    CHECK(simulate(s).seconds == near(7 * (0.1 + straight)));
    s.ranks = 512;  // whose messages are not followed one by one
    s.parameters *= 8;
    CHECK(simulate(s).seconds == near(7 * (0.1 + 2 * latency + 2 * 511.0 / 512 * 8 * wire)));
    s.collective = Collective::exchange;

    // What is gathered comes under the next forward pass, but for the last one.
    Simulation sharded{.synchronisation = SimulatedMode::sharded, .ranks = 4, .parameters = 16 * 4096};
    sharded.link = slow;
    double const half = 2 * slow.latency + 0.75 * 4 * 16 * 4096 / slow.bandwidth;
    sharded.compute = 0.15;
    sharded.steps = 10;
    CHECK(simulate(sharded).seconds == near(10 * (0.15 + half) + half));
    sharded.compute = 0.015;  // the forward pass is shorter than the wire
    CHECK(simulate(sharded).seconds == near(0.015 + 9 * 0.01 + 20 * half));

    Simulation coded{.ranks = 8, .shards = 16, .parameters = 8 * 4096};  // two codes a rank of a byte a number
    coded.gradient_bytes = 1;
    coded.parameter_bytes = 2;
    coded.link = slow;
    coded.compute = 0;
    coded.steps = 1;
    CHECK(simulate(coded).seconds == near(slow.latency + 2 * 7 * 4096 / slow.bandwidth +  //
                                          3 * slow.latency + 2 * 7 * 4096 / slow.bandwidth));
}

TEST_CASE("parameter servers: closed forms") {
    Simulation s{.synchronisation = SimulatedMode::asp, .ranks = 16, .parameters = 1'000'000, .steps = 20};
    double const wire = 4e6 / s.link.bandwidth, latency = s.link.latency;
    // A server a worker: lines are as wide as what comes.
    CHECK(simulate(s).efficiency == within(1e-3, 0.1 / (0.1 + 2 * latency + 2 * wire)));
    s.servers = 1;  // its line is what all wait for
    s.compute = 1e-3;
    s.steps = 200;
    CHECK(simulate(s).seconds == within(0.02, 200 * 16 * wire));

    // Nothing varies: who may be three steps ahead is not.
    Simulation even{.synchronisation = SimulatedMode::ssp, .ranks = 8, .servers = 8, .staleness = 0};
    even.parameters = 100'000;
    double const together = simulate(even).seconds;
    even.staleness = 3;
    CHECK(simulate(even).seconds <= together);
    CHECK(simulate(even).seconds == within(0.02, together));

    // One in eight takes twice as long: those in step wait for it whatever the staleness, asynchronous ones do not.
    for (auto const synchronisation : {SimulatedMode::bsp, SimulatedMode::ssp, SimulatedMode::asp}) {
        Simulation uneven{.synchronisation = synchronisation, .ranks = 8, .parameters = 4096, .stragglers = 0.125};
        uneven.steps = 1000;
        CHECK(simulate(uneven).efficiency == within(0.005, synchronisation == SimulatedMode::asp ? 7.5 / 8 : 0.5));
    }
}

TEST_CASE("jitter and failures") {
    Simulation s{.ranks = 32, .parameters = 4096, .jitter = 0.2, .steps = 400};
    double const bsp = simulate(s).efficiency;
    CHECK(bsp == simulate(s).efficiency);
    s.seed = 2;
    CHECK(bsp != simulate(s).efficiency);
    // The mean of the largest of 32 normal numbers is 2.07 (Harter, "Expected values of normal order statistics", 1961).
    CHECK(bsp == within(0.03, std::exp(-2.07 * 0.2)));
    s.synchronisation = SimulatedMode::ssp;
    s.staleness = 8;
    double const ssp = simulate(s).efficiency;
    s.synchronisation = SimulatedMode::asp;
    double const asp = simulate(s).efficiency;
    CHECK(bsp < ssp);
    CHECK(ssp < asp);
    CHECK(asp == within(0.01, std::exp(-0.02)));  // of the mean of a lognormal number

    // Each of 128 ranks fails once in 1280 s: together once in 10 s, which costs half a step and 1 s.
    Simulation failing{.ranks = 128, .parameters = 4096, .failures = 1.0 / 1280, .recovery = 1, .steps = 20'000};
    failing.link = {.latency = 0, .bandwidth = 1e12};
    auto const run = simulate(failing);
    CHECK(run.failures == within(0.15, 200));
    CHECK(run.seconds == within(0.002, 2000 + run.failures * (1 + 0.05)));
    failing.synchronisation = SimulatedMode::asp;  // only who failed stands still
    failing.steps = 2000;
    auto const alone = simulate(failing);
    CHECK(alone.failures > 10);
    CHECK(alone.efficiency == within(0.002, 1 - alone.failures * (1 + 0.05) / (128 * 200.0)));
}

TEST_CASE("thousands of ranks, and what cannot be") {
    for (auto const synchronisation :
         {SimulatedMode::bsp, SimulatedMode::sharded, SimulatedMode::ssp, SimulatedMode::asp}) {
        Simulation s{.synchronisation = synchronisation, .ranks = 4096, .jitter = 0.1, .steps = 10};
        double const efficiency = simulate(s).efficiency;
        CHECK(efficiency > 0.3);
        CHECK(efficiency < 1);
    }
    CHECK_THROWS_WITH_AS(simulate({.ranks = 0}), "Simulation: ranks 0 is out of range", Error);
    CHECK_THROWS_WITH_AS(simulate({.jitter = std::nan("")}), "Simulation: jitter nan is out of range", Error);
    CHECK_THROWS_WITH_AS(simulate({.ranks = 4, .shards = 6}),
                         "Simulation: 6 shards, expected a multiple of the 4 ranks", Error);
}

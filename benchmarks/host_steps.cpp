// Training steps of a network of 4.2 million parameters on hosts with slow lines: mpirun -n 2 host_steps MBIT [STEPS]
//
// Prints a line a way of sending gradients: the median step of the slowest rank, what simulate says of links of so many
// Mbit/s and 50 µs with this rank's own computation, and the bytes that wire_of predicts. Codes have a shard a rank. Then
// large batches with the levels of Sharded, of which 2 and 3 exchange while they compute.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <strata/distributed.hpp>
#include <strata/distributed/mpi.hpp>
#include <strata/distributed/simulate.hpp>

#include "network_types.hpp"
#include "work.hpp"

using namespace strata;

namespace {

constexpr int batch = 256, leaves = 4;

/// Of all ranks; they go on together.
double slowest(Mpi& communicator, double seconds) {
    std::vector<double> all(static_cast<std::size_t>(communicator.size()));
    all_gather<Mpi, double>(communicator, std::span<double const>(&seconds, 1), all);
    return *std::max_element(all.begin(), all.end());
}

/// The median of what `steps` steps take, each as long as `agree` says of this rank's.
template <class Trainer, class Agree>
double seconds_of(Trainer trainer, int samples, int steps, Agree const& agree, int inputs = 3072) {
    benchmark::Samples const data({"", {inputs}, {}}, samples);
    std::vector<double> times;
    double last = 0;
    for (int step = 0; step < steps + 3; ++step) {
        double const time = agree(last);
        if (step >= 3) times.push_back(time);
        double const start = Progress::steady_seconds();
        trainer.train_step(data.images, data.labels);
        last = Progress::steady_seconds() - start;
    }
    auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

SGD const sgd{.learning_rate = benchmark::learning_rate, .momentum = benchmark::momentum},
    plain_sgd{.learning_rate = benchmark::learning_rate};  // where the code has the momentum
template <class Compression>
SGD const& sgd_for(Compression const& compression) {
    if constexpr (requires { compression.code.momentum; })
        if (compression.code.momentum > 0) return plain_sgd;
    return sgd;
}

/// A rank's computation: its samples alone, on as many leaves as fall to it, in the same way, with nobody else.
template <class... Ways>
double computation(Mpi& communicator, int steps, SGD const& optimizer, Ways const&... ways) {
    int const ranks = communicator.size();
    double seconds = 0;
    slowest(communicator, 0);
    Threads::run_ranks(1, [&](Threads alone) {  // another thread than MPI's
        seconds = seconds_of(train<benchmark::WideMlp>(Cpu{.threads = 1, .leaves = leaves / ranks},
                                                       DataParallel{alone, ways...}, optimizer),
                             batch / ranks, steps, [](double time) { return time; });
    });
    return slowest(communicator, seconds);
}

template <class Compression>
void measure(Mpi& communicator, char const* name, Link const& link, int steps, Compression compression) {
    using Net = benchmark::WideMlp;
    int const ranks = communicator.size(), rank = communicator.rank();
    Cpu const cpu{.threads = 1, .leaves = leaves};
    Simulation simulation{.ranks = ranks,
                          .leaves = leaves,
                          .parameters = static_cast<std::size_t>(Net::parameter_count),
                          .link = link,
                          .steps = 1};
    Wire wire;
    double measured = 0;
    auto const together = [&](double seconds) { return slowest(communicator, seconds); };
    if constexpr (std::is_same_v<Compression, detail::NoCode>) {
        simulation.compute = computation(communicator, steps, sgd);
        wire = wire_of<Net>(batch, ranks, rank, cpu);
        measured = seconds_of(train<Net>(cpu, DataParallel{communicator}, sgd), batch, steps, together);
    } else {
        compression.shards = 1;
        simulation.compute = computation(communicator, steps, sgd_for(compression), compression);
        compression.shards = simulation.shards = ranks;
        simulation.gradient_bytes =
            static_cast<double>(encoded_bytes(compression.code, simulation.parameters)) / Net::parameter_count;
        simulation.parameter_bytes =
            static_cast<double>(encoded_bytes(compression.back(compression.code), simulation.parameters)) /
            Net::parameter_count;
        wire = wire_of<Net>(batch, ranks, rank, cpu, compression);
        measured = seconds_of(train<Net>(cpu, DataParallel{communicator, compression}, sgd_for(compression)), batch,
                              steps, together);
    }
    double const simulated = simulate(simulation).seconds;
    if (rank == 0)
        std::printf(
            "step ranks=%d %-13s measured_ms=%.0f simulated_ms=%.0f difference=%+.1f%% of which computing_ms=%.0f "
            "bytes=%zu messages=%zu\n",
            ranks, name, measured * 1e3, simulated * 1e3, 100 * (simulated / measured - 1), simulation.compute * 1e3,
            wire.bytes, wire.messages);
    std::fflush(stdout);
}

/// As many parameters in layers of one size.
using Eight = Sequential<Linear<512>, ReLU, Linear<512>, ReLU, Linear<512>, ReLU, Linear<512>, ReLU, Linear<512>, ReLU,
                         Linear<512>, ReLU, Linear<512>, ReLU, Linear<512>, ReLU>;
using DeepMlp = Network<Input<512>, Eight, Eight, Linear<10>>;

/// Batches whose computation takes as long as the wire on lines of some hundred Mbit/s: what of the exchange is hidden
/// behind it.
template <class... Ways>
void measure_large(Mpi& communicator, char const* name, int steps, Ways... ways) {
    constexpr int large = 8 * batch;
    Cpu const cpu{.threads = 1, .leaves = leaves};
    double const measured = seconds_of(
        train<DeepMlp>(cpu, DataParallel{communicator, ways...}, sgd), large, steps,
        [&](double seconds) { return slowest(communicator, seconds); }, 512);
    int const ranks = communicator.size(), rank = communicator.rank();
    Wire const wire = wire_of<DeepMlp>(large, ranks, rank, cpu, ways...);
    if (rank == 0)
        std::printf("step ranks=%d batch=%d %-13s measured_ms=%.0f bytes=%zu messages=%zu\n", ranks, large, name,
                    measured * 1e3, wire.bytes, wire.messages);
    std::fflush(stdout);
}

}  // namespace

int main(int argument_count, char** arguments) {
    return Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        if (argument_count < 2 || std::atof(arguments[1]) <= 0) fail("usage: host_steps MBIT [STEPS]");
        if (leaves % communicator.size() != 0) fail("host_steps: ", communicator.size(), " ranks, expected 1, 2 or 4");
        Link const link{.latency = 50e-6,
                        .bandwidth = std::atof(arguments[1]) * 1e6 / 8 * 1448 / 1514,
                        .burst = 4096.0 * 1448 / 1514};
        int const steps = argument_count > 2 ? std::max(1, std::atoi(arguments[2])) : 10;
        measure(communicator, "plain", link, steps, detail::NoCode{});
        measure(communicator, "Float16", link, steps, Compressed<Float16>{});
        measure(communicator, "Int8", link, steps, Compressed<Int8>{});
        // With the momentum that their accuracy takes (benchmarks/compression.cpp), after the warm-up.
        measure(communicator, "OneBit", link, steps, Compressed{OneBit{.momentum = 0.9, .nesterov = true}});
        measure(communicator, "TopK of 1 %", link, steps,
                Compressed{TopK{.fraction = 0.01, .momentum = 0.9, .nesterov = true}});
        measure_large(communicator, "plain", steps);
        measure_large(communicator, "Sharded<1>", steps, Sharded<1>{});
        measure_large(communicator, "Sharded<2>", steps, Sharded<2>{});
        measure_large(communicator, "Sharded<3>", steps, Sharded<3>{});
    });
}

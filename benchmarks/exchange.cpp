// The exchange of gradients, measured and simulated: mpirun -n 4 exchange MBIT[:MESSAGE_US:BYTE_NS] [BYTES]...
//
// Prints a line a size: the median of exchanges between these ranks, and what simulate says for links of so many Mbit/s
// and 50 µs behind token buckets of 4 KB, where a message takes the processor MESSAGE_US microseconds and a byte BYTE_NS
// nanoseconds. What these are on a line without a limit `exchange free` measures: it prints MESSAGE_US:BYTE_NS.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <strata/distributed.hpp>
#include <strata/distributed/mpi.hpp>
#include <strata/distributed/simulate.hpp>
#include <strata/train/progress.hpp>
#include <string_view>

using namespace strata;

namespace {

/// The median of exchanges of so many numbers.
double seconds_of(Mpi& communicator, std::size_t count, int repetitions) {
    int const ranks = communicator.size();
    Exchange<float> exchange(communicator.rank(), ranks, ranks, count);
    std::vector<float> node(count, 1.0f);
    float* const own[] = {node.data()};
    std::vector<double> times, all(static_cast<std::size_t>(ranks));
    double last = 0;
    for (int k = 0; k < repetitions + 3; ++k) {
        // They begin together, and the slowest one's time counts: who sends last ends early.
        all_gather<Mpi, double>(communicator, std::span<double const>(&last, 1), all);
        if (k >= 3) times.push_back(*std::max_element(all.begin(), all.end()));
        double const start = Progress::steady_seconds();
        exchange.reduce(communicator, own, node.data() + exchange.owned().begin);
        exchange.gather(communicator, node.data());
        last = Progress::steady_seconds() - start;
        std::fill(node.begin(), node.end(), 1.0f);
    }
    auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    return *middle;
}

/// What engine and processors take of a message and of a byte, ranks that share processors included: from exchanges of
/// one chunk a rank and of 4 MB on lines that take no time. Ranks are a power of two.
void measure_costs(Mpi& communicator) {
    int const ranks = communicator.size();
    std::size_t const few = 4096 * static_cast<std::size_t>(ranks), many = 1'000'000;
    double const messages = 2 * std::log2(ranks), share = 2.0 * (ranks - 1) / ranks * sizeof(float);
    double const small = seconds_of(communicator, few, 200), large = seconds_of(communicator, many, 30);
    double const byte = ranks > 1 ? (large - small) / (share * static_cast<double>(many - few)) : 0;
    double const message = ranks > 1 ? (small - byte * share * static_cast<double>(few)) / messages : 0;
    if (communicator.rank() == 0) std::printf("%.1f:%.2f\n", std::max(0.0, message * 1e6), std::max(0.0, byte * 1e9));
}

}  // namespace

int main(int argument_count, char** arguments) {
    return Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        if (argument_count == 2 && std::string_view(arguments[1]) == "free") return measure_costs(communicator);
        double mbit = 0, message_us = 0, byte_ns = 0;
        if (argument_count < 2 || std::sscanf(arguments[1], "%lf:%lf:%lf", &mbit, &message_us, &byte_ns) < 1 ||
            mbit <= 0)
            fail("usage: exchange free | MBIT[:MESSAGE_US:BYTE_NS] [BYTES]...");
        // Of a frame of 1514 bytes on an Ethernet line, 1448 are TCP's to carry.
        double const carried = 1448.0 / 1514;
        Link const link{.latency = 50e-6,
                        .bandwidth = mbit * 1e6 / 8 * carried,
                        .seconds_per_byte = byte_ns * 1e-9,
                        .seconds_per_message = message_us * 1e-6,
                        .burst = 4096 * carried};
        std::vector<long> sizes;
        for (int i = 2; i < argument_count; ++i) sizes.push_back(std::max(4L, std::atol(arguments[i])));
        if (sizes.empty()) sizes = {25'000, 248'024, 1'000'000, 4'000'000, 16'826'408};
        int const ranks = communicator.size();
        for (long const bytes : sizes) {
            auto const count = static_cast<std::size_t>(bytes) / sizeof(float);
            double const simulated =
                simulate({.ranks = ranks, .parameters = count, .link = link, .compute = 0, .steps = 1}).seconds;
            int const repetitions = std::clamp(static_cast<int>(10 / std::max(simulated, 1e-3)), 5, 300);
            double const measured = seconds_of(communicator, count, repetitions);
            if (communicator.rank() == 0)
                std::printf("ranks=%d bytes=%ld measured_ms=%.2f simulated_ms=%.2f difference=%+.1f%%\n", ranks, bytes,
                            measured * 1e3, simulated * 1e3, ranks > 1 ? 100 * (simulated / measured - 1) : 0.0);
        }
    });
}

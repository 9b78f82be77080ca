// The exchange of gradients, measured and simulated: mpirun -n 4 exchange MBIT [BYTES]...
//
// Prints a line a size: the median of exchanges between these ranks, and what simulate says for links of so many Mbit/s
// and 50 µs.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <strata/distributed.hpp>
#include <strata/distributed/mpi.hpp>
#include <strata/distributed/simulate.hpp>
#include <strata/train/progress.hpp>

using namespace strata;

int main(int argument_count, char** arguments) {
    return Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        if (argument_count < 2 || std::atof(arguments[1]) <= 0) fail("usage: exchange MBIT [BYTES]...");
        // Of a frame of 1514 bytes on an Ethernet line, 1448 are TCP's to carry.
        Link const link{.latency = 50e-6, .bandwidth = std::atof(arguments[1]) * 1e6 / 8 * 1448 / 1514};
        std::vector<long> sizes;
        for (int i = 2; i < argument_count; ++i) sizes.push_back(std::max(4L, std::atol(arguments[i])));
        if (sizes.empty()) sizes = {25'000, 248'024, 1'000'000, 4'000'000, 16'826'408};
        int const ranks = communicator.size();
        for (long const bytes : sizes) {
            auto const count = static_cast<std::size_t>(bytes) / sizeof(float);
            Exchange<float> exchange(communicator.rank(), ranks, ranks, count);
            std::vector<float> node(count, 1.0f);
            float* const own[] = {node.data()};
            double const simulated =
                simulate({.ranks = ranks, .parameters = count, .link = link, .compute = 0, .steps = 1}).seconds;
            int const repetitions = std::clamp(static_cast<int>(10 / std::max(simulated, 1e-3)), 5, 300);
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
            if (communicator.rank() == 0)
                std::printf("ranks=%d bytes=%ld measured_ms=%.2f simulated_ms=%.2f difference=%+.1f%%\n", ranks, bytes,
                            *middle * 1e3, simulated * 1e3, 100 * (simulated / *middle - 1));
        }
    });
}

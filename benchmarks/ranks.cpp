// Training steps on ranks: mpirun -n 2 ranks [THREADS] [STEPS]
//
// Prints a line a work: images/s at the median step of rank 0, and the checksum of the weights afterwards, which does not
// depend on ranks and threads.
#include <cstdlib>
#include <strata/distributed.hpp>
#include <strata/distributed/mpi.hpp>

#include "network_types.hpp"
#include "work.hpp"

using namespace strata;

namespace {

template <class Trainer>
void measure(Trainer trainer, bool prints, benchmark::Subject const& subject, int batch, int steps) {
    benchmark::Samples const samples(subject, batch);
    std::vector<double> times;
    for (int step = 0; step < steps + 3; ++step) {
        double const start = Progress::steady_seconds();
        trainer.train_step(samples.images, samples.labels);
        if (step >= 3) times.push_back(Progress::steady_seconds() - start);
    }
    Checksum weights;
    weights.add(trainer.model().parameters().data(), trainer.model().parameters().size_bytes());
    auto const middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    if (prints)
        std::printf("%s batch=%d images_per_s=%.1f weights=%016llx\n", subject.name, batch, batch / *middle,
                    static_cast<unsigned long long>(weights.value()));
}

/// One process is what a user of one process has: a trainer that knows no ranks.
template <class Net>
void measure(Mpi& communicator, benchmark::Subject const& subject, int batch, int threads, int steps, int leaves = 0) {
    SGD const sgd{.learning_rate = benchmark::learning_rate, .momentum = benchmark::momentum};
    if (communicator.size() == 1)
        measure(train<Net>(Cpu{.threads = threads, .leaves = leaves}, sgd), true, subject, batch, steps);
    else
        measure(train<Net>(Cpu{.threads = threads, .leaves = leaves}, DataParallel{communicator}, sgd),
                communicator.rank() == 0, subject, batch, steps);
}

}  // namespace

int main(int argument_count, char** arguments) {
    return Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        int const threads = argument_count > 1 ? std::atoi(arguments[1]) : 1,
                  steps = argument_count > 2 ? std::atoi(arguments[2]) : 100;
        for (int const batch : {64, 256})
            measure<benchmark::LeNet>(communicator, benchmark::lenet, batch, threads, steps);
        measure<benchmark::ResNet20>(communicator, benchmark::resnet20, 128, threads, std::max(5, steps / 10));
        measure<benchmark::Mlp>(communicator, benchmark::mlp, 256, threads, steps, 4);  // one leaf by default
    });
}

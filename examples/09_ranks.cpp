// Tutorial 9: several processes train one network.
//
//     mpirun -n 2 09_ranks [DIR]
//
// Every process runs this program. Each works on its part of every batch, and all of them have the same weights after
// every step: to the bit those of one process. Processes may be on several machines, as mpirun says.
#include <cstdio>

#include <strata/distributed.hpp>
#include <strata/distributed/mpi.hpp>
#include <strata/strata.hpp>

using namespace strata;

using Classifier =
    Network<Input<1, 28, 28>, Conv2d<8, 5>, BatchNorm2d<>, ReLU, MaxPool2d<2>, Flatten, Linear<64>, ReLU, Linear<10>>;

int main(int argument_count, char** arguments) {
    // What is thrown inside of it, on any rank, is printed and ends them all.
    return Mpi::run(argument_count, arguments, [&](Mpi communicator) {
        auto const data = argument_count > 1 ? fashion_mnist(arguments[1]) : fashion_mnist();
        // Here ranks share a machine. One a machine would take all its processors: Cpu{}.
        auto trainer = train<Classifier>(Cpu{.threads = 1}, DataParallel{communicator},
                                         SGD{.learning_rate = 0.05, .momentum = 0.9});
        // What a step sends on two ranks and on more, whoever is there.
        if (communicator.rank() == 0) std::puts(wire_summary<Classifier>(128, {2, 4, 8}).c_str());
        // batch_size is that of all ranks together; rank 0 shows progress and writes checkpoints.
        trainer.fit(data.train, data.test, {.epochs = 2, .batch_size = 128});
        auto const evaluation = trainer.evaluate(data.test);
        if (communicator.rank() == 0)
            std::printf("%.2f %% of the test images are recognised\n", 100 * evaluation.accuracy);
    });
}

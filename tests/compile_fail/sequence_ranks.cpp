// expect: Sequence: networks of sequences are trained on one rank: leave DataParallel or ParameterServer out
#include <strata/strata.hpp>

#include <strata/distributed.hpp>

using namespace strata;
using Net = Network<Sequence<Input<4>>, SequenceMean, Linear<4>>;

int main() {
    Threads::run_ranks(2, [](Threads communicator) { train<Net>(DataParallel{communicator}).train_step(Batch{}); });
}

// expect: Accumulate: ranks share a batch, of which BatchNorm takes the statistics: give fit the larger batch_size instead
#include <strata/distributed.hpp>
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>, BatchNorm1d<>>;

void run(Threads ranks) { train<Net>(DataParallel{ranks}, Accumulate{4}).train_step(Batch{}); }

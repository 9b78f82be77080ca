// expect: Accumulate: a network with BatchNorm has no input_gradients of several batches: leave RequiresGrad out
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<RequiresGrad<Input<8>>, Linear<4>, BatchNorm1d<>>;

int main() { train<Net>(Accumulate{4}).train_step(Batch{}); }

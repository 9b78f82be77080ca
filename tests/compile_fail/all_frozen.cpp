// expect: Trainer: all layers with parameters are Frozen, there is nothing to train: take one out of Frozen
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Frozen<Linear<4>>, ReLU>;

int main() { train<Net>().train_step(Batch{}); }

// expect: WeightedCrossEntropy<Classes> needs a flat output of so many scores, one a class: the network has another number of outputs
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>>;

int main() { train<Net>(WeightedCrossEntropy<3>{.class_weights = {1, 2, 3}}).train_step(Batch{}); }

// expect: WeightedCrossEntropy<Classes> needs so many scores, one a class, along the first axis of the outputs: the network has another number
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>>;

int main() { train<Net>(WeightedCrossEntropy<3>{.class_weights = {1, 2, 3}}).train_step(Batch{}); }

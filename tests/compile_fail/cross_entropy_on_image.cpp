// expect: CrossEntropy needs a flat output, one score a class: end the network in Linear or Flatten
// expect: got<Shape<4,6,6>>
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<4, 3>>;

int main() { train<Net>(Cpu{}, CrossEntropy{}).train_step(Batch{}); }

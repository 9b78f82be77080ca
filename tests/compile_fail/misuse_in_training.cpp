// expect: Linear needs a flat input: put Flatten before it
// expect: layer<1>
// expect: got<Shape<4,6,6>>
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<4, 3>, Linear<10>>;

int main() { train<Net>(Cpu{}, CrossEntropy{}).train_step(Batch{}); }

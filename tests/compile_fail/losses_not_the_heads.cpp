// expect: Losses: name each head of the network once
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Heads<Named<"a", Linear<4>>, Named<"b", Linear<2>>>>;

int main() { train<Net>(Losses{On<"a">(CrossEntropy{}), On<"c">(MSE{})}).train_step(Batch{}); }

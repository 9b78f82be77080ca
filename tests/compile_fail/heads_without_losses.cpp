// expect: a network that ends in Heads is trained with a loss for each
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Heads<Named<"a", Linear<4>>, Named<"b", Linear<2>>>>;

int main() { train<Net>(CrossEntropy{}).train_step(Batch{}); }

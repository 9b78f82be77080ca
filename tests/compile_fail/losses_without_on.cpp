// expect: Losses: say which head each loss is of
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<8>, Heads<Named<"a", Linear<4>>, Named<"b", Linear<2>>>>;

int main() { train<Net>(Losses{CrossEntropy{}, MSE{}}).train_step(Batch{}); }

// expect: Dropout: the probability must be at least 0 and below 1
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/dropout.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>, Dropout<1.5>>;

int const parameters = Net::parameter_count;

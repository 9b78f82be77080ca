// expect: Linear: an option is unknown or given twice; it takes NoBias, Initialize
// expect: layer<0>
// expect: got<Shape<8>>
#include <strata/layer/linear.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4, ReLU>>;

int const parameters = Net::parameter_count;

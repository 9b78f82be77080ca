// expect: Linear needs a flat input: put Flatten before it
// expect: layer<2>
// expect: got<Shape<4,6,6>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<4, 3>, ReLU, Linear<10>>;

int const parameters = Net::parameter_count;

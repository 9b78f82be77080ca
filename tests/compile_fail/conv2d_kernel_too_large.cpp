// expect: Conv2d: the kernel is larger than the padded input: use a smaller kernel or more Padding
// expect: layer<1>
// expect: got<Shape<3,8,4>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 4>, ReLU, Conv2d<4, 5>>;

int const parameters = Net::parameter_count;

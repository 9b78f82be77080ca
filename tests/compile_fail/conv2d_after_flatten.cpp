// expect: Conv2d needs an image [C][H][W]: it cannot follow Flatten or Linear
// expect: layer<1>
// expect: got<Shape<192>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Flatten, Conv2d<4, 3>>;

int const parameters = Net::parameter_count;

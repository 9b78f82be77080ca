// expect: Conv2d: SamePadding needs Stride<1>, as in PyTorch
// expect: layer<0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/conv2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<4, 3, SamePadding, Stride<2>>>;

int const parameters = Net::parameter_count;

// expect: AvgPool2d: Padding must be at most half the kernel, as in PyTorch
// expect: layer<0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/avg_pool2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, AvgPool2d<3, Padding<2>>>;

int const parameters = Net::parameter_count;

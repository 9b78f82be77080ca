// expect: MaxPool2d: the kernel is larger than the padded input
// expect: layer<0>
// expect: got<Shape<3,8,2>>
#include <strata/layer/max_pool2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 2>, MaxPool2d<3>>;

int const parameters = Net::parameter_count;

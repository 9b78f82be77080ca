// expect: InstanceNorm2d needs more than one number a channel: one number alone has no variance
// expect: layer<1>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/norm/instance_norm2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<4, 8>, InstanceNorm2d<>>;

int const parameters = Net::parameter_count;

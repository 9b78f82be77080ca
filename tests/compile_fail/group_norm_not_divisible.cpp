// expect: GroupNorm: the channels cannot be divided into so many groups
// expect: layer<1>
// expect: got<Shape<6,6,6>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/norm/group_norm.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<6, 3>, GroupNorm<4>>;

int const parameters = Net::parameter_count;

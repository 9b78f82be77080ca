// expect: Conv2d: an option is unknown or given twice; it takes Stride, Padding or SamePadding, Dilation, Groups, NoBias, Initialize
// expect: layer<0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/conv2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<4, 3, NoAffine>>;

int const parameters = Net::parameter_count;

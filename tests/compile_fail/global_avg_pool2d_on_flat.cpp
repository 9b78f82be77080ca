// expect: GlobalAvgPool2d needs an image [C][H][W]: it cannot follow Flatten or Linear
// expect: layer<0>
// expect: got<Shape<8>>
#include <strata/layer/global_avg_pool2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<8>, GlobalAvgPool2d>;

int const parameters = Net::parameter_count;

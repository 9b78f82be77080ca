// expect: ConvTranspose2d: Groups must divide the input channels and the output channels
// expect: layer<0>
// expect: got<Shape<6,8,8>>
#include <strata/layer/conv_transpose2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<6, 8, 8>, ConvTranspose2d<8, 3, Groups<3>>>;

int const parameters = Net::parameter_count;

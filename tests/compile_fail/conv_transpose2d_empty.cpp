// expect: ConvTranspose2d: nothing is left of the output: use less Padding
// expect: layer<0>
// expect: got<Shape<3,2,8>>
#include <strata/layer/conv_transpose2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 2, 8>, ConvTranspose2d<8, 3, Padding<2>>>;

int const parameters = Net::parameter_count;

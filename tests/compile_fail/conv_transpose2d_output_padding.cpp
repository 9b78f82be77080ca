// expect: ConvTranspose2d: OutputPadding must be smaller than Stride or Dilation, as in PyTorch
// expect: layer<0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/conv_transpose2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, ConvTranspose2d<8, 3, Stride<2>, OutputPadding<2>>>;

int const parameters = Net::parameter_count;

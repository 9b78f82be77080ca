// expect: PixelShuffle: the factor's square must divide the channels
// expect: layer<0>
// expect: got<Shape<6,8,8>>
#include <strata/layer/pixel_shuffle.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<6, 8, 8>, PixelShuffle<2>>;

int const parameters = Net::parameter_count;

// expect: ZeroPad2d takes one width, or four: left, right, top, bottom
// expect: layer<0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/zero_pad2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, ZeroPad2d<1, 2>>;

int const parameters = Net::parameter_count;

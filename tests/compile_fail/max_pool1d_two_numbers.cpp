// expect: MaxPool1d: an option is unknown, given twice or has two numbers; it takes Stride, Padding
// expect: layer<0>
// expect: got<Shape<3,8>>
#include <strata/layer/max_pool1d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8>, MaxPool1d<2, Stride<1, 2>>>;

int const parameters = Net::parameter_count;

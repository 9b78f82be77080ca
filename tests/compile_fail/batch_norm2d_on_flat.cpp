// expect: BatchNorm2d needs an image [C][H][W]: use BatchNorm1d on lines, after Flatten or Linear
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/batch_norm.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>, BatchNorm2d<>>;

int const parameters = Net::parameter_count;

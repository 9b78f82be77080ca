// expect: Residual: main path and shortcut end in different shapes: use ZeroPadShortcut or
// expect: layer<1>
// expect: got<Shape<4,8,8>>
// expect: got<Shape<3,8,8>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, ReLU, Residual<Main<Conv2d<4, 3, Padding<1>>>>, Flatten, Linear<2>>;

int const parameters = Net::parameter_count;

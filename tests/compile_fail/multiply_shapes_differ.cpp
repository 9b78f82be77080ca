// expect: Multiply takes two branches: the second ends in the shape of the first or, behind an image, in a number for each
// expect: layer<0,1>
// expect: branch<0,Shape<3,8,8>>
// expect: branch<1,Shape<2>>
#include <strata/layer/flatten.hpp>
#include <strata/layer/global_avg_pool2d.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/multiply.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Sequential<ReLU, Multiply<Branch<>, Branch<GlobalAvgPool2d, Linear<2>>>>, Flatten>;

int const parameters = Net::parameter_count;

// expect: Concat: the branches end in images of different heights or widths, in lines of different lengths, or not all in
// expect: layer<1>
// expect: branch<0,Shape<3,8,8>>
// expect: branch<1,Shape<4,6,6>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/concat.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, ReLU, Concat<Branch<>, Branch<Conv2d<4, 3>>>, Flatten, Linear<2>>;

int const parameters = Net::parameter_count;

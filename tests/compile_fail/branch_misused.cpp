// expect: Linear needs a flat input: put Flatten before it
// expect: layer<1,1,0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/linear.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/concat.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, ReLU, Concat<ReLU, Branch<Linear<2>>, Branch<>>, Linear<4>>;

int const parameters = Net::parameter_count;

// expect: Linear needs a flat input: put Flatten before it
// expect: layer<1,0,1>
// expect: got<Shape<4,6,6>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/flatten.hpp>
#include <strata/layer/linear.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Named<"stem", Conv2d<4, 3>>,
                    Named<"body", Repeat<2, Sequential<ReLU, Named<"fc", Linear<2>>>>>, Flatten>;

int const parameters = Net::parameter_count;

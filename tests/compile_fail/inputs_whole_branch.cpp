// expect: a network with Inputs: what reads them, each branch or the first layer, begins with From<name>
// expect: layer<0, 1>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Inputs<Named<"image", Input<4>>, Named<"meta", Input<4>>>, Residual<Main<From<"image">, Linear<4>>>,
                    Linear<4>>;

int const parameters = Net::parameter_count;

// expect: From: the network has no input of this name
// expect: layer<0>
#include <strata/layer/activation/tanh.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Inputs<Named<"image", Input<4>>, Named<"meta", Input<3>>>, From<"mask">, Linear<4>>;

int const parameters = Net::parameter_count;

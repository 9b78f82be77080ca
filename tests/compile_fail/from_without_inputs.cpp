// expect: From stands first in a network that begins with Inputs<Named<...>, ...>, or in a branch there
// expect: layer<1>
#include <strata/layer/activation/tanh.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<4>, Tanh, From<"meta">, Linear<4>>;

int const parameters = Net::parameter_count;

// expect: Inputs: each input is Named: Inputs<Named<
#include <strata/layer/activation/tanh.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Inputs<Input<4>, Named<"meta", Input<3>>>, From<"meta">, Linear<4>>;

int const parameters = Net::parameter_count;

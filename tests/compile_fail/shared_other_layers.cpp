// expect: Shared: all layers that share a name must be the same, with parameters of the same shapes
#include <strata/layer/activation/tanh.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<4>, Shared<"cell", Linear<8>>, Tanh, Shared<"cell", Linear<8>>>;

int const parameters = Net::parameter_count;

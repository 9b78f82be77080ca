// expect: Shared: layers that share a name are Frozen in all places or in none
#include <strata/layer/activation/tanh.hpp>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<4>, Frozen<Shared<"cell", Linear<4>>>, Tanh, Shared<"cell", Linear<4>>>;

int const parameters = Net::parameter_count;

// expect: Network begins with the shape of its input: Network<Input<3, 32, 32>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
static_assert(Network<Linear<4>, Linear<2>>::parameter_count >= 0);

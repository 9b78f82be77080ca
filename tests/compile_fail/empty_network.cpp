// expect: Network needs at least one layer after Input
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<8>>;

int const parameters = Net::parameter_count;

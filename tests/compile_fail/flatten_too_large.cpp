// expect: Flatten: a sample has more than 2^31 - 1 numbers
// expect: layer<0>
#include <strata/layer/flatten.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<32768, 256, 256>, Flatten>;
static_assert(Net::parameter_count == 0);

int main() {}

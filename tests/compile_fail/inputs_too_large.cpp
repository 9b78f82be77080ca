// expect: Inputs: all inputs of a sample together have more than 2^31 - 1 numbers
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Inputs<Named<"a", Input<2147483647>>, Named<"b", Input<8>>>, From<"b">, Linear<4>>;
static_assert(Net::parameter_count > 0);

int main() {}

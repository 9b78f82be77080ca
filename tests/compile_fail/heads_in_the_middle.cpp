// expect: Heads stand last in a network
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<4>, Heads<Named<"a", Linear<3>>, Named<"b", Linear<2>>>, ReLU, Linear<2>>;

int main() { static_cast<void>(train<Net>()); }

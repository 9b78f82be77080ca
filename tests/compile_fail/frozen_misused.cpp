// expect: Linear needs a flat input: put Flatten before it
// expect: layer<1, 1>
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<1, 8, 8>, ReLU, Frozen<Sequential<Conv2d<2, 3>, Linear<4>>>, Flatten, Linear<2>>;

int main() { return Net::parameter_count; }

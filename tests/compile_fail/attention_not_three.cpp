// expect: Attention: its input is query, key and value side by side, flat, each of a width that the heads divide: put
// expect: layer<1>
// expect: got<Shape<16>>
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Sequence<Input<4>>, Linear<16>, Attention<2>>;

int const parameters = Net::parameter_count;

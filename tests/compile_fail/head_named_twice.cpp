// expect: Heads: a head has one name: for a name inside of it put a Sequential between the two
// expect: layer<0>
#include <strata/layer/linear.hpp>
#include <strata/network/heads.hpp>

using namespace strata;
using Net = Network<Input<4>, Heads<Named<"a", Named<"fc", Linear<3>>>, Named<"b", Linear<2>>>>;

int const parameters = Net::parameter_count;

// expect: what comes in here are Ids, which are no numbers: put Embedding<width> first
// expect: layer<0>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Ids<1000, 3>, Linear<4>>;

int const parameters = Net::parameter_count;

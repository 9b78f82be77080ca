// expect: Embedding takes ids, not numbers: let the network begin with Ids<vocabulary>
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/embedding.hpp>
#include <strata/layer/relu.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<4>, ReLU, Embedding<8>>;

int const parameters = Net::parameter_count;

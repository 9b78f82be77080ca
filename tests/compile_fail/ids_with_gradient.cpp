// expect: RequiresGrad: ids have no gradient: leave RequiresGrad out
#include <strata/layer/embedding.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<RequiresGrad<Sequence<Ids<10>>>, Embedding<8>>;

int const parameters = Net::parameter_count;

// expect: what comes in here are Ids, which are no numbers: put Embedding<width> first
#include <strata/layer/embedding.hpp>
#include <strata/network/concat.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Ids<10>, Concat<Branch<>, Branch<Embedding<8>>>>;

int const parameters = Net::parameter_count;

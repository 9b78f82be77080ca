// expect: Embedding: PaddingIndex is one of the ids, 0 to vocabulary - 1
#include <strata/layer/embedding.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Sequence<Ids<10>>, Embedding<8, PaddingIndex<10>>>;

int const parameters = Net::parameter_count;

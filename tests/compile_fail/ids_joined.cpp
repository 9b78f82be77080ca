// expect: what comes in here are Ids, which are no numbers: put Embedding<width> first
// expect: layer<0>
#include <strata/layer/embedding.hpp>
#include <strata/network/concat.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Inputs<Named<"user", Ids<10>>, Named<"meta", Input<2>>>,
                    Concat<Branch<From<"meta">>, Branch<From<"user">>>>;

int const parameters = Net::parameter_count;

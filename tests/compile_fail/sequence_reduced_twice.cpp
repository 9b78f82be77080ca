// expect: a layer that looks across the tokens of a sequence stands behind a reduction: there is one column a sequence left
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Sequence<Input<4>>, SequenceMean, Linear<12>, Attention<2>>;

int const parameters = Net::parameter_count;

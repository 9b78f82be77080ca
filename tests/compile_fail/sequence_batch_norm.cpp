// expect: Sequence: statistics of a batch (BatchNorm) are not there yet: take LayerNorm or GroupNorm, or put it
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Sequence<Input<4>>, BatchNorm1d<>, Linear<4>>;

int const parameters = Net::parameter_count;

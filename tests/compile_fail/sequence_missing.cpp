// expect: a layer that looks across the tokens of a sequence stands in a network whose samples are none: let it begin with
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<4>, SequenceMean, Linear<4>>;

int const parameters = Net::parameter_count;

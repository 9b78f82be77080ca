// expect: a join, Residual or Heads of branches of which one has a column a token and another one a sequence: reduce all of them
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Sequence<Input<4>>, Concat<Branch<>, Branch<SequenceMean>>>;

int const parameters = Net::parameter_count;

// expect: Conv1d needs lines [C][L]: Network<Input<C, L>, ...>
// expect: layer<0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/conv1d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv1d<4, 3>>;

int const parameters = Net::parameter_count;

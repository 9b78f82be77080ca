// expect: Conv1d: the kernel is larger than the padded input: use a smaller kernel or more Padding
// expect: layer<0>
// expect: got<Shape<3,8>>
#include <strata/layer/conv1d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8>, Conv1d<4, 9>>;

int const parameters = Net::parameter_count;

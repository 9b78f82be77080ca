// expect: this is not a layer: Input, Ids, Inputs, Sequence<Input<...>> and RequiresGrad<Input<...>> stand first in a Network, Main, Shortcut and After in a Residual
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<8>, Linear<4>, RequiresGrad<Input<4>>, Linear<2>>;

int const parameters = Net::parameter_count;

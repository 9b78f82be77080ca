// expect: ZeroPadShortcut: the main path must keep or add channels and subsample by a whole stride
// expect: layer<0,1>
// expect: got<Shape<6,8,8>>
#include <strata/layer/conv2d.hpp>
#include <strata/layer/zero_pad_shortcut.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<6, 8, 8>, Residual<Main<Conv2d<4, 3, Padding<1>>>, ZeroPadShortcut>>;

int const parameters = Net::parameter_count;

// expect: Upsample: AlignCorners needs Bilinear, as in PyTorch
// expect: layer<0>
// expect: got<Shape<3,8,8>>
#include <strata/layer/upsample.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Upsample<2, AlignCorners>>;

int const parameters = Net::parameter_count;

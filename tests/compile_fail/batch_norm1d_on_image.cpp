// expect: BatchNorm1d needs features [C] or lines [C][L]: use BatchNorm2d on images
// expect: layer<1>
// expect: got<Shape<4,6,6>>
#include <strata/layer/batch_norm.hpp>
#include <strata/layer/conv2d.hpp>
#include <strata/network/network.hpp>

using namespace strata;
using Net = Network<Input<3, 8, 8>, Conv2d<4, 3>, BatchNorm1d<>>;

int const parameters = Net::parameter_count;

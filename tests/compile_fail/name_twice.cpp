// expect: Model: two layers with parameters have the same name: give each its own
#include <strata/layer/linear.hpp>
#include <strata/network/model.hpp>

using namespace strata;
Model<Network<Input<4>, Named<"a", Linear<4>>, Named<"a", Linear<2>>>> model;

// expect: this is not a layer: give it forward(x) and, if need be, backward(x, y, dy), templates over lanes, and no members, or a template On<InputShape>
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Cubic {
    float forward(float x) const { return x * x * x; }
};
using Net = Network<Input<8>, Linear<4>, Cubic>;

int const parameters = Net::parameter_count;

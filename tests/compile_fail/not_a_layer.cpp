// expect: this is not a layer: give it forward(x) and backward(x, y, dy) over lanes and no members, or a template On<InputShape>
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Tanh {
    template <class L>
    static L forward(L x) {
        return tanh(x);
    }
};
using Net = Network<Input<8>, Linear<4>, Tanh>;

int const parameters = Net::parameter_count;

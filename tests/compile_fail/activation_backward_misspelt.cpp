// expect: this is not a layer: give it forward(x) and, if need be, backward(x, y, dy), templates over lanes, and no members, or a template On<InputShape>
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Cubic {
    template <class L>
    static L forward(L x) {
        return x * x * x;
    }
    template <class L>
    static L backward(L x, L dy) {  // y is missing: nobody would call it
        return L(3) * x * x * dy;
    }
};
using Net = Network<Input<8>, Linear<4>, Cubic>;

int const parameters = Net::parameter_count;

// expect: an activation's gradient is backward(x, y, dy), over lanes: here it is misspelt, takes other arguments, or is missing where `keep` says what it reads
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

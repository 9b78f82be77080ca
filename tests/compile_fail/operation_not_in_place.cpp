// expect: a layer's On<X> says IsElementwise, IsView or IsTrainingOnly: its output must be as large as its input
// expect: layer<0>
#include <strata/network/network.hpp>

using namespace strata;
struct FirstHalf {
    template <class X>
    struct On {
        using Input = X;
        using Output = Shape<X::size / 2>;
        using Parameters = NoParameters;
        using IsView = void;
    };
};
using Net = Network<Input<8>, FirstHalf>;

int const parameters = Net::parameter_count;

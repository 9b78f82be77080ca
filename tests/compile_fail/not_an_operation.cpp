// expect: a layer's On<X> needs the shapes Input and Output, Parameters (NoParameters where there are none)
// expect: and for each parameter P parameter_gradient(P{}, at, io)
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Scale {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        struct Weight : Parameter<"weight", X, Ones, 1, 1> {};
        using Parameters = ParameterList<Weight>;
        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            return io.x(at[0]) * io.p(Weight{})(at[0]);
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy(at[0]) * io.p(Weight{})(at[0]);
        }
    };
};
using Net = Network<Input<8>, Linear<4>, Scale>;

int const parameters = Net::parameter_count;

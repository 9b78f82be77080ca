// expect: a layer's On<X> with passes over the batch needs for each forward one evaluation(P{}, element, buffers)
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Centered {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        using Parameters = NoParameters;
        struct Mean : Pass<X, Scope::batch> {};
        using ForwardPasses = PassList<Mean>;
        template <class Io>
        static auto pass(Mean, Position<1> at, int, Io const& io) {
            return io.x[at[0]];
        }
        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            return io.x[at[0]] - io.pass(Mean{})[at[0]];
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy[at[0]];
        }
    };
};
using Net = Network<Input<8>, Linear<4>, Centered>;

int const parameters = Net::parameter_count;

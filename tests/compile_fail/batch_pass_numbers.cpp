// expect: over the batch pass(P{}, at, term, io), a lane or a std::array of P::numbers lanes, of Gather::moments one
// expect: layer<1>
// expect: got<Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/network/network.hpp>

using namespace strata;
struct Spread {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        using Parameters = NoParameters;
        struct Moments : Pass<X, Scope::batch> {
            static constexpr Gather gathers = Gather::moments;
            static constexpr int numbers = 2;
        };
        using ForwardPasses = PassList<Moments>;
        template <class Io>
        static auto pass(Moments, Position<1> at, int, Io const& io) {
            return std::array{io.x[at[0]], -io.x[at[0]]};
        }
        template <class B>
        static std::array<double, 2> evaluation(Moments, int, B const&) {
            return {0, 1};
        }
        template <class Io>
        static auto forward(Position<1> at, Io const& io) {
            return io.x[at[0]] - io.pass(Moments{})[at[0]];
        }
        template <class Io>
        static auto input_gradient(Position<1> at, Io const& io) {
            return io.dy[at[0]];
        }
    };
};
using Net = Network<Input<8>, Linear<4>, Spread>;

int const parameters = Net::parameter_count;

// expect: a layer's On<X> with a State keeps numbers of its input, using State = KeptInput<first, count>, says SeesSequence
// expect: layer<0>
// expect: got<Shape<4>>
#include <strata/strata.hpp>

using namespace strata;

template <class X>
struct LastOf {
    using Input = X;
    using Output = X;
    using Parameters = NoParameters;
    using SeesSequence = void;
    using State = KeptInput<1, X::size>;
    template <class Io>
    static auto forward(Position<1> at, Io const& io) {
        return io.column(io.position > 0 ? io.position - 1 : 0).x[at[0]];
    }
    template <class Io>
    static auto input_gradient(Position<1>, Io const&) {
        return typename Io::L(0);
    }
};
struct Last {
    template <class X>
    using On = LastOf<X>;
};

int const parameters = Network<Sequence<Input<4>>, Last>::parameter_count;

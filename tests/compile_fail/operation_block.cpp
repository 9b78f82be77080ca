// expect: a layer's On<X> needs the shapes Input and Output, Parameters (NoParameters where there are none)
// expect: lane (or std::array of block lanes)
// expect: layer<0>
#include <strata/network/network.hpp>

using namespace strata;
struct Reversed {
    template <class X>
    struct On {
        using Input = X;
        using Output = X;
        using Parameters = NoParameters;
        static constexpr int block = X::size;
        template <class Io>
        static auto forward(Position<1>, Io const& io) {
            std::array<typename Io::L, 4> y;
            for (int k = 0; k < 4; ++k) y[static_cast<std::size_t>(k)] = io.x[3 - k];
            return y;
        }
        template <class Io>
        static auto input_gradient(Position<1>, Io const& io) {
            return forward(Position<1>{}, io);
        }
    };
};
using Net = Network<Input<8>, Reversed>;

int const parameters = Net::parameter_count;

// expect: this loss reads io.target: its classifies must be false then
#include <strata/strata.hpp>

using namespace strata;
struct Difference {
    using policy = LossPolicy;
    static constexpr bool classifies = true;
    template <int K, class Io>
    auto operator()(Io const& io) const {
        return absolute(io.x[0] - io.target[0]);
    }
};
int main() { static_cast<void>(train<Network<Input<4>, Linear<2>>>(Difference{})); }

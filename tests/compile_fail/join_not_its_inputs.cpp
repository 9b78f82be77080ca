// expect: Join: its layer has no On<X0, X1, ...> for the shapes of these branches that is an operation with
// expect: layer<0>
// expect: branch<1,Shape<4>>
#include <strata/layer/linear.hpp>
#include <strata/layer/sum.hpp>
#include <strata/network/network.hpp>

using namespace strata;

struct Difference {
    template <class A, class>
    using On = Sum<A>;
};
using Net = Network<Input<3>, Join<Difference, Branch<>, Linear<4>>>;

int const parameters = Net::parameter_count;

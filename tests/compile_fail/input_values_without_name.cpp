// expect: input_values: say which input each array is for: named
#include <strata/layer/linear.hpp>
#include <strata/network/input_values.hpp>

using namespace strata;
using Net = Network<Inputs<Named<"image", Input<4>>, Named<"meta", Input<3>>>, From<"image">, Linear<4>>;

int main() {
    std::vector<float> const x(8), meta(6);
    return static_cast<int>(input_values<Net>(named<"image">(x), meta).size());
}

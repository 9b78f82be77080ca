// expect: input_values: give each of the network's inputs once, by its name
#include <strata/layer/linear.hpp>
#include <strata/network/input_values.hpp>

using namespace strata;
using Net = Network<Inputs<Named<"image", Input<4>>, Named<"meta", Input<3>>>, From<"image">, Linear<4>>;

int main() {
    std::vector<float> const x(8);
    return static_cast<int>(input_values<Net>(named<"image">(x)).size());
}

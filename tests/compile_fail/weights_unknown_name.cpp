// expect: weights<name>(model): the network has no tensor of that name
// expect: fc2.weight
#include <strata/eigen.hpp>

using namespace strata;
using Net = Network<Input<4>, Named<"fc1", Linear<3>>>;

int main() {
    Model<Net> model;
    return weights<"fc2.weight">(model).rows() > 0;
}

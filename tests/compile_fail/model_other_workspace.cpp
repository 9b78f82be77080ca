// expect: model(samples, workspace): the workspace is a Workspace, not const, of the same network and precision
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3>, Linear<2>>;

int main() {
    Model<Net> const model;
    Workspace<Net, Float64> workspace;
    model(std::vector<float>(3), workspace);
}

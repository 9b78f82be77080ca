// expect: model(samples, workspace): the samples are a contiguous range of the precision's numbers (float) or a Batch
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3>, Linear<2>>;

int main() {
    Model<Net> const model;
    Workspace<Net> workspace;
    model(std::vector<double>(3), workspace);
}

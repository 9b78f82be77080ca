// expect: model(samples, workspace): the samples are a Batch or a contiguous range (vector, span, array) of
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3>, Linear<2>>;

int main() {
    Model<Net> const model;
    Workspace<Net> workspace;
    model(std::vector<double>(3), workspace);
}

// expect: model(samples, workspace): the samples are a Batch, or an array (vector, span, matrix whose rows are samples) of
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3>, Linear<2>>;

int main() {
    Model<Net> const model;
    Workspace<Net> workspace;
    model(std::vector<long>(3), workspace);
}

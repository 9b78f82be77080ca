// expect: evaluate takes a model, a dataset, and policies: a backend, a loss
#include <strata/strata.hpp>

using namespace strata;
using Net = Network<Input<3>, Linear<2>>;

void run(Model<Net> const& model, Dataset const& data) { evaluate(model, data, 256); }
